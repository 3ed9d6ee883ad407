"""The prompts that are trained on: rows, told by their numbers, and the order they come in."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from types import FunctionType
from typing import Any, Final, cast

from PIL import Image
from pydantic import ValidationError

from rr_refine.errors import ConfigError
from rr_refine.named import picture_of_data
from rr_refine.pictures import load_picture
from rr_refine.plugins import imported, is_dotted_path
from rr_refine.reward.preferences.columns import read_columns
from rr_refine.reward.preferences.rows import json_lines
from rr_refine.terms import Record

__all__ = ["NEVER", "Stream", "TrainingPrompt", "read_rows"]

NEVER: Final = 2**53
"""An epoch that does not come."""
_PROMPT: Final = ("prompt", "instruction", "caption", "text")
_SOURCE: Final = ("source", "image", "image_path", "source_image", "input_image")


class TrainingPrompt(Record):
    """One row: what is asked for, of which picture."""

    prompt: str
    source: Path | None = None
    """The picture to edit; None for text-to-image."""
    kind: str = ""
    """What the held-out results are broken down by."""

    def picture(self, size: tuple[int, int] | None) -> Image.Image | None:
        """The source picture, RGB, of this size if one is given."""
        if self.source is None:
            return None
        picture = load_picture(self.source)
        return picture if size is None or size == picture.size else picture.resize(size)


def read_rows(data: str) -> list[TrainingPrompt]:
    """Rows of a file, or of a function named by its path.

    A file is JSON lines or parquet with the column `prompt` (or instruction, caption, text), maybe
    `image` (or source, image_path, source_image, input_image), a path beside the file, and maybe
    `kind`. Others are not looked at.

    Raises:
        ConfigError: there is no such file or function, or a row has no prompt.
    """
    if is_dotted_path(data):
        given = list(_function(data)())
        rows = [row for row in given if isinstance(row, TrainingPrompt)]
        if len(rows) < len(given):
            raise ConfigError(f"data {data!r} gives something else than {TrainingPrompt.__name__}")
    else:
        rows = _read(Path(data))
    if not rows:
        raise ConfigError(f"data {data!r} holds no rows")
    return rows


def _function(data: str) -> Callable[[], Iterable[object]]:
    """What a dotted path names may be anything: it is called only if it is meant for this."""
    found = imported(f"data {data!r}", partial(pkgutil.resolve_name, data))
    if not isinstance(found, FunctionType) or (
        found.__module__.partition(".")[0] in sys.stdlib_module_names
    ):
        raise ConfigError(
            f"data {data!r} is no function, of your own or of a package, that gives rows. It was "
            "not called"
        )
    return found


def _read(path: Path) -> list[TrainingPrompt]:
    if not path.exists():
        raise ConfigError(f"there is no data {str(path)!r}")
    raw = _parquet(path) if path.suffix == ".parquet" else json_lines(path)
    return [_row(fields, path, number) for number, fields in enumerate(raw, 1)]


def _parquet(path: Path) -> Iterator[Mapping[str, object]]:
    known = (*_PROMPT, *_SOURCE, "kind")
    return read_columns(path, lambda found: [name for name in found if name in known])


def _row(fields: object, path: Path, number: int) -> TrainingPrompt:
    if not isinstance(fields, Mapping):
        raise ConfigError(f"row {number} of {str(path)!r} is no object")
    prompt = next((fields[n] for n in _PROMPT if fields.get(n)), None)
    source = next((fields[n] for n in _SOURCE if fields.get(n)), None)
    if isinstance(source, list):
        if len(source) != 1:
            raise ConfigError(f"row {number} of {str(path)!r} has {len(source)} pictures, not one")
        source = source[0]
    if source is not None and not isinstance(source, str):
        raise ConfigError(f"row {number} of {str(path)!r}: a picture is no path: {source!r:.60}")
    try:
        return TrainingPrompt(
            prompt=cast("str", prompt),
            source=None if source is None else picture_of_data(path.parent, source),
            kind=str(fields.get("kind") or ""),
        )
    except ValidationError:
        raise ConfigError(
            f"row {number} of {str(path)!r} has no prompt: {', '.join(_PROMPT)} are looked for"
        ) from None


class Stream:
    """Gives row numbers, pass after pass; what rests is left out. Part of the checkpoint.

    Args:
        count: of rows.
        seed: of the order; None takes them as they stand.
    """

    def __init__(self, count: int, seed: int | None) -> None:
        self._count, self._seed = count, seed
        self._position = 0
        self._resting: dict[int, int] = {}

    def take(self, wanted: int, epoch: int) -> list[int]:
        """The next row numbers; fewer where all others rest.

        Args:
            wanted: how many; none comes twice.
            epoch: the present one: rows whose rest is over come again.
        """
        taken: list[int] = []
        for _ in range(self._count):
            if len(taken) == wanted:
                break
            passed, index = divmod(self._position, self._count)
            row = self._order(passed)[index]
            self._position += 1
            if self._resting.get(row, 0) < epoch and row not in taken:
                self._resting.pop(row, None)
                taken.append(row)
        return taken

    def rest(self, rows: Sequence[int], until: int) -> None:
        """Leave these out up to the epoch `until`."""
        self._resting |= dict.fromkeys(rows, until)

    @property
    def resting(self) -> int:
        """How many rest."""
        return len(self._resting)

    def state_dict(self) -> dict[str, Any]:
        """See `rr_refine.training.loop.Stateful`."""
        return {"position": self._position, "resting": dict(self._resting)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `rr_refine.training.loop.Stateful`."""
        self._position, self._resting = state["position"], dict(state["resting"])

    def _order(self, passed: int) -> Sequence[int]:
        if self._seed is None:
            return range(self._count)
        order = list(range(self._count))
        Random(f"{self._seed} {passed}").shuffle(order)
        return order
