"""Rows of published files (parquet, arrow, JSON lines, JSON), read one by one and checked."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from rr_refine.boundary import raised_as
from rr_refine.digest import file_digest
from rr_refine.errors import ConfigError
from rr_refine.files import parse_json
from rr_refine.invalid import told_invalid
from rr_refine.named import open_named, picture_of_data, read_named
from rr_refine.plain_text import names_of
from rr_refine.reward.preferences.columns import parquet_columns, read_columns
from rr_refine.reward.preferences.pair import Picture

__all__ = [
    "Embedded",
    "FileRow",
    "StoredPicture",
    "StoredPictures",
    "checked",
    "column_names",
    "find_files",
    "hashes",
    "json_lines",
    "read_rows",
]

ValueT = TypeVar("ValueT", bound=BaseModel)

_KINDS: Final = (".parquet", ".arrow", ".jsonl", ".csv", ".json")
"""Formats that can be read. In a folder the first one found counts: JSON beside it is metadata."""
_SHARD: Final = re.compile(r"-\d{5}-of-\d{5}$")


class Embedded(BaseModel):
    """A picture in a column: its bytes, or the path of a file."""

    data: bytes | None = Field(None, alias="bytes")
    path: str | None = None

    def picture(self, folder: Path) -> Picture:
        """The bytes, or the file in `folder` (which may be missing).

        Raises:
            ConfigError: it leads out of there, see `picture_of_data`.
        """
        return self.data or picture_of_data(folder, self.path or "no picture")


def _as_embedded(value: object) -> object:
    """A picture may also be a bare path, or bare bytes."""
    if isinstance(value, str):
        return {"path": value}
    return {"bytes": value} if isinstance(value, bytes) else value


def _as_list(value: object) -> object:
    """Lists come as lists, as numpy arrays (pandas), as one element, or as None."""
    if value is None:
        return []
    if hasattr(value, "tolist"):
        return value.tolist()
    return value if isinstance(value, list | tuple) else [value]


StoredPicture: TypeAlias = Annotated[Embedded, BeforeValidator(_as_embedded)]
"""A column with one picture: a struct of bytes and path, or one of both."""
StoredPictures: TypeAlias = Annotated[tuple[StoredPicture, ...], BeforeValidator(_as_list)]
"""A column with any number of pictures."""


@dataclass(frozen=True, slots=True)
class FileRow(Generic[ValueT]):
    """One parsed row, and where it is."""

    value: ValueT
    file: Path
    number: int
    """In its file, from 0."""

    @property
    def folder(self) -> Path:
        """The folder that paths in the row are relative to."""
        return self.file.parent

    @property
    def place(self) -> str:
        """Where the row is, for messages."""
        return f"row {self.number} of {str(self.file)!r}"


def find_files(data: Path, *, prefer: str = "", several: bool = False) -> list[Path]:
    """The files of one split, in order.

    Args:
        data: a file, a folder with one split of one suite, or a pattern such as `test_v1-*`.
        prefer: the file of a folder that is meant if it is there.
        several: all files of a folder belong together, whatever their names.

    Raises:
        ConfigError: there is nothing, or more than one split.
    """
    with raised_as(ConfigError, f"{str(data)!r} cannot be searched for data"):
        if data.is_file():
            files = [data]
        elif data.is_dir():
            files = [data / prefer] if prefer and (data / prefer).is_file() else _in_folder(data)
        else:
            files = sorted(f for f in data.parent.glob(data.name) if f.is_file())
    if not files:
        raise ConfigError(
            f"there is no data at {str(data)!r}: give the benchmark's parquet, arrow, JSON or "
            "CSV file, or the folder with those of one split"
        )
    for file in files:
        if file.suffix not in _KINDS:
            raise ConfigError(f"{str(file)!r} is none of {', '.join(_KINDS)}")
    splits = sorted({str(file.with_name(_SHARD.sub("", file.stem))) for file in files})
    if len(splits) > 1 and not several:
        raise ConfigError(
            f"{str(data)!r} holds {len(splits)} sets ({', '.join(map(repr, splits[:4]))}): "
            "give one of them; a pattern such as 'FOLDER/test-*' names the files of a split"
        )
    return files


def hashes(files: Sequence[Path]) -> dict[str, str]:
    """sha256 of each file, by its name with that of its folder.

    Raises:
        ConfigError: one cannot be read.
    """
    with raised_as(ConfigError, "the data cannot be read"):
        return {f"{file.parent.name}/{file.name}": file_digest(file) for file in files}


def read_rows(files: Sequence[Path], row: type[ValueT]) -> Iterator[FileRow[ValueT]]:
    """The rows of all files. Of columns, only those of `row` are read.

    Raises:
        ConfigError: a file cannot be read, lacks a column, or a row is broken.
        MissingExtraError: pyarrow is not installed.
    """
    for file in files:
        for number, found in enumerate(_objects(file, row)):
            yield FileRow(checked(row, found, file, number), file, number)


def checked(row: type[ValueT], found: object, file: Path, number: int) -> ValueT:
    """Parse one row.

    Raises:
        ConfigError: it lacks something, or something is of another type.
    """
    try:
        return row.model_validate(found)
    except ValidationError as error:
        raise ConfigError(
            f"row {number} of {str(file)!r} is not of the expected form: {told_invalid(error)}"
        ) from None


def column_names(file: Path) -> frozenset[str]:
    """The columns of a file; where it is JSON, those of its first row.

    Raises:
        ConfigError: it cannot be read, or holds no rows.
        MissingExtraError: pyarrow is not installed.
    """
    if file.suffix == ".parquet":
        return frozenset(parquet_columns(file))
    for found in _objects(file, None):
        if isinstance(found, dict):
            return frozenset(found)
    raise ConfigError(f"{str(file)!r} holds no rows")


def _in_folder(folder: Path) -> list[Path]:
    for kind in _KINDS:
        deep = kind in (".parquet", ".arrow")
        if found := sorted(folder.rglob(f"*{kind}") if deep else folder.glob(f"*{kind}")):
            return found
    return []


def _objects(file: Path, row: type[BaseModel] | None) -> Iterator[object]:
    """The rows, unchecked; of files with columns, only those of `row`."""
    if file.suffix in (".parquet", ".arrow"):
        yield from read_columns(file, partial(_columns, file, row))
    elif file.suffix == ".jsonl":
        yield from json_lines(file)
    elif file.suffix == ".csv":
        yield from _read_csv(file, row)
    else:
        yield from _read_json(file)


def _read_csv(file: Path, row: type[BaseModel] | None) -> Iterator[object]:
    """The rows of a CSV file in UTF-8. An empty cell is None, and JSON in a cell is read."""
    csv.field_size_limit(2**31 - 1)
    why = f"{str(file)!r} cannot be read as CSV"
    with (
        raised_as(ConfigError, why, OSError, UnicodeDecodeError, csv.Error),
        io.TextIOWrapper(open_named(file), "utf-8-sig", newline="") as text,
    ):
        lines = csv.reader(text, strict=True)
        header = next(filter(None, lines), [])
        places = {name: place for place, name in enumerate(header)}
        chosen = [(name, places[name]) for name in _columns(file, row, [*places])]
        for cells in filter(None, lines):
            yield {name: _cell(cells[at]) if at < len(cells) else None for name, at in chosen}


def _cell(text: str) -> object:
    if not text:
        return None
    if text[0] in "{[":
        with suppress(ValueError):
            return parse_json(text)
    return text


def _read_json(file: Path) -> list[object]:
    """The rows of a JSON file: a list, or one under `pairs`."""
    with raised_as(ConfigError, f"{str(file)!r} cannot be read"):
        found = _parsed(read_named(file), repr(str(file)))
    rows = found.get("pairs") if isinstance(found, dict) else found
    if not isinstance(rows, list):
        raise ConfigError(f"{str(file)!r} holds no list of pairs")
    return rows


def json_lines(file: Path) -> Iterator[object]:
    """The values of a file of JSON lines; blank lines are none.

    Raises:
        ConfigError: it cannot be read, or a line is no JSON.
    """
    with raised_as(ConfigError, f"{str(file)!r} cannot be read"), open_named(file) as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _parsed(line, f"line {number} of {str(file)!r}")


def _parsed(text: bytes, place: str) -> object:
    with raised_as(ConfigError, f"{place} is no JSON", ValueError):
        return parse_json(text, nan=True)


def _columns(file: Path, row: type[BaseModel] | None, found: Sequence[str]) -> list[str]:
    """The columns of `row`; all of them without one."""
    if row is None:
        return list(found)
    missing = [n for n, f in row.model_fields.items() if f.is_required() and n not in found]
    if missing:
        raise ConfigError(
            f"{str(file)!r} has no column {missing[0]!r} (it has {names_of(found)}): "
            "is it the data set that was named?"
        )
    return [name for name in row.model_fields if name in found]
