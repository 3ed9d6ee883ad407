"""The mixture: rows of several files by their weights, read and checked before training begins."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from pydantic import ValidationError

from rr_refine.digest import digest
from rr_refine.errors import ConfigError
from rr_refine.files import MAX_PICTURE, read_file, require_inside
from rr_refine.invalid import told_invalid
from rr_refine.lines import read_lines
from rr_refine.pictures import decode_picture
from rr_refine.training.parrot.recipe import DataPart
from rr_refine.training.parrot.rows import SftRow

if TYPE_CHECKING:
    from datasets import Dataset
    from PIL import Image

__all__ = ["Mixture", "MixtureRow", "open_row", "read_mixture"]

_Batch = dict[str, list[object]]


@dataclass(frozen=True, slots=True)
class MixtureRow:
    """One row, its pictures not yet opened."""

    line: str
    """The `SftRow`, as JSON: a string takes a tenth of the memory of what is in it."""
    root: str
    """The folder that its image paths start from."""
    pair: str
    """The id of the pair that it is about."""
    characters: int
    images: int


@dataclass(frozen=True, slots=True)
class Mixture:
    """The rows of an epoch, unordered."""

    rows: tuple[MixtureRow, ...]
    distinct: int
    """Rows in the files that are seen at least once."""
    left_out: int
    """Rows whose text holds a control token of the model, such as `<image>`: in training it could
    not be told from a real one."""
    validation: tuple[MixtureRow, ...] = ()
    """Rows that are not trained on, each once."""
    lost: int = 0
    """Rows with a picture that is no longer there."""

    def dataset(self) -> Dataset:
        """As TRL wants it: `prompt`, `completion` and `images`, pictures opened when asked for."""
        return _dataset(self.rows)

    def validation_dataset(self) -> Dataset | None:
        """The rows that are not trained on, in the same form; None without any."""
        return _dataset(self.validation) if self.validation else None


def read_mixture(
    parts: Sequence[DataPart], control: Collection[str], seed: int, validation: float = 0.0
) -> Mixture:
    """Read and check every row.

    Args:
        parts: files and weights.
        control: control tokens that no text may hold.
        seed: of the draw where a weight takes only some of the rows, and of the validation set.
        validation: share of the pairs that are not trained on, with all rows of theirs.

    Raises:
        ConfigError: a file is missing, or the pictures of all its rows; a line is no row, or
            nothing is left.
    """
    mixed: list[MixtureRow] = []
    held: list[MixtureRow] = []
    distinct = left_out = lost = 0
    for number, part in enumerate(parts):
        rows = list(_read(part, control))
        missing = [row for row in rows if isinstance(row, str)]
        if missing and len(missing) == len(rows):
            raise ConfigError(missing[0])
        clean = [row for row in rows if isinstance(row, MixtureRow)]
        lost += len(missing)
        left_out += len(rows) - len(clean) - len(missing)
        if validation:
            held += [row for row in clean if _is_held(row.pair, seed, validation)]
            clean = [row for row in clean if not _is_held(row.pair, seed, validation)]
        whole, share = divmod(part.weight, 1)
        some = Random(f"{seed}/{number}").sample(clean, round(share * len(clean)))
        mixed += clean * int(whole) + some
        distinct += len(clean) if whole else len(some)
    if not mixed:
        raise ConfigError(
            f"there are no rows to train on in {', '.join(repr(str(p.file)) for p in parts)}"
            + (f" ({left_out} hold a control token of the model)" if left_out else "")
        )
    if validation and not held:
        raise ConfigError(f"validation = {validation:g} takes none of the few pairs: raise it")
    return Mixture(tuple(mixed), distinct, left_out, tuple(held), lost)


def _is_held(pair: str, seed: int, share: float) -> bool:
    """Whether a pair is in the validation set: the same in every file, and at every start."""
    return int(digest({"seed": seed, "pair": pair})[:12], 16) < share * 16**12


def _dataset(rows: Sequence[MixtureRow]) -> Dataset:
    from datasets import Dataset

    columns = {"line": [row.line for row in rows], "root": [row.root for row in rows]}
    return Dataset.from_dict(columns).with_transform(_open_batch)


def open_row(row: MixtureRow) -> dict[str, object]:
    """The row as TRL's collator takes it, with its pictures as RGB images.

    Raises:
        ConfigError: a picture cannot be read.
    """
    return _opened(row.line, row.root)


def _open_batch(batch: _Batch) -> _Batch:
    """At the top of a module, so that worker processes can be sent it."""
    pairs = zip(batch["line"], batch["root"], strict=True)
    rows = [_opened(str(line), str(root)) for line, root in pairs]
    return {key: [row[key] for row in rows] for key in ("prompt", "completion", "images")}


def _opened(line: str, root: str) -> dict[str, object]:
    row = SftRow.model_validate_json(line)
    return {
        "prompt": [turn.model_dump(mode="json") for turn in row.prompt],
        "completion": [turn.model_dump(mode="json") for turn in row.completion],
        "images": [_picture(Path(root), name) for name in row.images],
    }


def _picture(root: Path, name: str) -> Image.Image:
    """A picture that a row names, in the folder of its file."""
    try:
        return decode_picture(
            read_file(root / require_inside(name), within=root, limit=MAX_PICTURE)
        )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"picture {name!r} of the training data cannot be read: {error}"
        ) from None


def _read(part: DataPart, control: Collection[str]) -> Iterator[MixtureRow | str | None]:
    """The rows of one file; None for one with a control token, and a message for one whose picture
    is missing. A torn last line is left out.
    """
    if not part.file.is_file():
        raise ConfigError(f"the training data {str(part.file)!r} is missing")
    known: set[str] = set()
    for number, line in enumerate(read_lines(part.file), 1):
        where = f"line {number} of {str(part.file)!r}"
        try:
            row = SftRow.model_validate_json(line)
        except ValidationError as error:
            raise ConfigError(f"{where} is no training row: {told_invalid(error)}") from None
        turns = (*row.prompt, *row.completion)
        content = [piece for turn in turns for piece in turn.content]
        images = sum(piece["type"] == "image" for piece in content)
        if images != len(row.images):
            raise ConfigError(
                f"{where} has places for {images} pictures, and names {len(row.images)}"
            )
        known.update(name for name in row.images if (part.root / name).is_file())
        if missing := [name for name in row.images if name not in known]:
            yield (
                f"{where} needs the picture {str(part.root / missing[0])!r}, which is missing; if "
                "the pictures are elsewhere, name their folder as the data's pictures"
            )
            continue
        texts = [piece["text"] for piece in content if piece["type"] == "text"]
        if any(token in text for token in control for text in texts):
            yield None
            continue
        pair = row.id.partition(":")[0]
        yield MixtureRow(line.decode(), str(part.root), pair, sum(map(len, texts)), images)
