"""The mixture: rows of several files by their weights, read and checked before training begins."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from pydantic import ValidationError

from rr_refine.errors import ConfigError
from rr_refine.files import MAX_PICTURE, read_file, require_inside
from rr_refine.lines import read_lines
from rr_refine.pictures import decode_picture
from rr_refine.terms import first_fault
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

    def dataset(self) -> Dataset:
        """As TRL wants it: `prompt`, `completion` and `images`, pictures opened when asked for."""
        from datasets import Dataset

        columns = {
            "line": [row.line for row in self.rows],
            "root": [row.root for row in self.rows],
        }
        return Dataset.from_dict(columns).with_transform(_open_batch)


def read_mixture(parts: Sequence[DataPart], control: Collection[str], seed: int) -> Mixture:
    """Read and check every row.

    Args:
        parts: files and weights.
        control: control tokens that no text may hold.
        seed: of the draw where a weight takes only some of the rows.

    Raises:
        ConfigError: a file or picture is missing, a line is no row, or nothing is left.
    """
    mixed: list[MixtureRow] = []
    distinct = left_out = 0
    for number, part in enumerate(parts):
        rows = list(_read(part, control))
        clean = [row for row in rows if row is not None]
        left_out += len(rows) - len(clean)
        whole, share = divmod(part.weight, 1)
        some = Random(f"{seed}/{number}").sample(clean, round(share * len(clean)))
        mixed += clean * int(whole) + some
        distinct += len(clean) if whole else len(some)
    if not mixed:
        raise ConfigError(
            f"there are no rows to train on in {', '.join(repr(str(p.file)) for p in parts)}"
            + (f" ({left_out} hold a control token of the model)" if left_out else "")
        )
    return Mixture(tuple(mixed), distinct, left_out)


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


def _read(part: DataPart, control: Collection[str]) -> Iterator[MixtureRow | None]:
    """The rows of one file, None for one with a control token; a torn last line is left out."""
    if not part.file.is_file():
        raise ConfigError(f"the training data {str(part.file)!r} is missing")
    known: set[str] = set()
    for number, line in enumerate(read_lines(part.file), 1):
        where = f"line {number} of {str(part.file)!r}"
        try:
            row = SftRow.model_validate_json(line)
        except ValidationError as error:
            raise ConfigError(f"{where} is no training row: {first_fault(error)}") from None
        turns = (*row.prompt, *row.completion)
        content = [piece for turn in turns for piece in turn.content]
        images = sum(piece["type"] == "image" for piece in content)
        if images != len(row.images):
            raise ConfigError(
                f"{where} has places for {images} pictures, and names {len(row.images)}"
            )
        for name in set(row.images) - known:
            if not (part.root / name).is_file():
                raise ConfigError(
                    f"{where} needs the picture {str(part.root / name)!r}, which is missing; if "
                    "the pictures are elsewhere, name their folder as the data's pictures"
                )
        known.update(row.images)
        texts = [piece["text"] for piece in content if piece["type"] == "text"]
        if any(token in text for token in control for text in texts):
            yield None
            continue
        yield MixtureRow(line.decode(), str(part.root), sum(map(len, texts)), images)
