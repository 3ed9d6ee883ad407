"""CSV files of the user's: their records, each with its own text as it stands in the file."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rr_refine.benchmarks.published.files import read_file
from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError
from rr_refine.plain_text import names_of

__all__ = ["CsvFile", "CsvRecord", "read_csv"]


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """One record."""

    cells: dict[str, str]
    """By column."""
    text: str
    """As it stands in the file, with its line end."""
    line: int
    """Its last line, from 1."""


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A file that was read whole."""

    header: str
    """The first line as it stands in the file."""
    records: tuple[CsvRecord, ...]
    sha256: str


def read_csv(path: Path, columns: Collection[str], wanted: str = "") -> CsvFile:
    """Read a CSV file (UTF-8, quotes doubled) that has at least these columns.

    Args:
        wanted: the file to give instead, for the message where a column is missing.

    Raises:
        ConfigError: it cannot be read, is no CSV, or lacks a column.
    """
    # The default of 128 KiB is less than a judge that repeats itself writes in 4,096 tokens.
    csv.field_size_limit(2**31 - 1)
    with raised_as(
        ConfigError, f"{str(path)!r} is no CSV file in UTF-8", UnicodeDecodeError, csv.Error
    ):
        data = read_file(path)
        records = _split(data.decode("utf-8-sig"))
    if not records:
        raise ConfigError(f"{str(path)!r} is empty")
    names, header, _ = records[0]
    hint = f"; give the file {wanted}" if wanted else ""
    if missing := [column for column in columns if column not in names]:
        raise ConfigError(
            f"{str(path)!r} has no column {missing[0]!r}; it has {names_of(names)}{hint}"
        )
    for cells, _, line in records:
        if len(cells) != len(names):
            raise ConfigError(
                f"{str(path)!r} line {line}: {len(cells)} cells in {len(names)} columns"
            )
    return CsvFile(
        header=header,
        records=tuple(
            CsvRecord(dict(zip(names, cells, strict=True)), text, line)
            for cells, text, line in records[1:]
        ),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _split(text: str) -> list[tuple[list[str], str, int]]:
    """Cells, text and last line of each record; blank lines are none."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records = []
    done = 0
    for cells in reader:
        own = "".join(islice(lines, reader.line_num - done))
        done = reader.line_num
        if cells:
            records.append((cells, own, done))
    return records
