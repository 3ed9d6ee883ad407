"""Raw pairs: rows of a published file, checked, before anything is decided about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from rr_refine.errors import ConfigError, MissingExtraError
from rr_refine.reward.preferences.pair import Picture
from rr_refine.terms import Dimension, Task

__all__ = ["Choice", "Embedded", "RawPair", "checked", "read_parquet"]

Choice = Literal["first", "second", "tie"]

RowT = TypeVar("RowT", bound=BaseModel)

_BATCH = 16
"""Rows read at once: an edit's three pictures may be 2 MB each."""


@dataclass(frozen=True, slots=True)
class RawPair:
    """A pair as its file has it: some files always put the winner first."""

    dataset: str
    split: str
    key: str
    """What the row is called in its data set."""
    instruction: str
    first: Picture
    second: Picture
    preferred: Choice
    margin: float | None
    """How clear the preference is, 0 to 1; None where the file does not say."""
    licence: str
    source: Picture | None = None
    """The picture that was edited."""
    preferred_by: Mapping[Dimension, Choice] | None = None
    first_model: str | None = None
    second_model: str | None = None

    @property
    def task(self) -> Task:
        """`edit` if there is a source picture."""
        return "t2i" if self.source is None else "edit"


class Embedded(BaseModel):
    """A picture in a parquet file: its bytes, or the path of a file beside it."""

    data: bytes | None = Field(None, alias="bytes")
    path: str | None = None

    def picture(self, folder: Path) -> Picture:
        """The bytes, or the file in `folder`, which may be missing."""
        return self.data or folder / (self.path or "no picture")


def read_parquet(path: Path, row: type[RowT]) -> Iterator[RowT]:
    """The rows of a parquet file, or of all those in a folder; only the columns of `row`.

    Raises:
        ConfigError: there is no such file, it lacks a column, or a row is broken.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise MissingExtraError("reading parquet files", "train") from error
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f"there are no parquet files in {str(path)!r}")
    for file in files:
        try:
            # By default all row groups that were read stay in memory until the end.
            with ParquetFile(file, pre_buffer=False, buffer_size=1 << 20) as table:
                columns = _columns(file, table.schema_arrow.names, row)
                number = 0
                for batch in table.iter_batches(_BATCH, columns=columns):
                    for found in batch.to_pylist():
                        yield checked(row, found, file, number)
                        number += 1
        except (OSError, pyarrow.ArrowException) as error:
            raise ConfigError(f"{str(file)!r} cannot be read as parquet: {error}") from error


def checked(row: type[RowT], found: object, file: Path, number: int) -> RowT:
    """One row, by its model.

    Raises:
        ConfigError: it lacks something, or something is of another type.
    """
    try:
        return row.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"row {number} of {str(file)!r} is not of the expected form: {place}: {first['msg']}"
        ) from None


def _columns(file: Path, found: Sequence[str], row: type[BaseModel]) -> list[str]:
    missing = [n for n, f in row.model_fields.items() if f.is_required() and n not in found]
    if missing:
        raise ConfigError(
            f"{str(file)!r} has no column {missing[0]!r} (it has {', '.join(map(repr, found))}): "
            "is it the data set that was named?"
        )
    return [name for name in row.model_fields if name in found]
