"""The official CSV files of GEdit-Bench: one row for each picture that got its scores."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rr_refine.benchmarks.published.csv_file import read_csv
from rr_refine.benchmarks.published.files import write_file
from rr_refine.benchmarks.published.gedit.edits import GROUPS
from rr_refine.benchmarks.published.gedit.scoring import Score
from rr_refine.errors import ConfigError
from rr_refine.plain_text import csv_cell, quoted

__all__ = ["GEditRow", "read_table", "write_tables"]

_COLUMNS: Final = (
    "source_image",
    "edited_image",
    "instruction",
    "sementics_score",  # spelt like this
    "quality_score",
    "intersection_exist",
    "instruction_language",
)
_TRUE: Final = {"True": True, "False": False}
"""As the official scripts write them."""


@dataclass(frozen=True, slots=True)
class GEditRow:
    """One row."""

    source: str
    edited: str
    """Ends with `<group>/<language>/<key>.png`."""
    instruction: str
    score: Score
    intersection: bool
    language: str

    @property
    def group(self) -> str:
        """The task type."""
        return re.split(r"[/\\]", self.edited)[-3]

    @property
    def key(self) -> str:
        """Of the edit."""
        return re.split(r"[/\\]", self.edited)[-1].removesuffix(".png")

    def cells(self, language: str) -> tuple[object, ...]:
        """As they stand in the file, by another name for the language if need be."""
        score = self.score
        scores = score.semantics, score.quality
        return (self.source, self.edited, self.instruction, *scores, self.intersection, language)


def write_tables(folder: Path, model: str, rows: Sequence[GEditRow], *, language: str) -> None:
    """Write a file for each group, and one with all, as `test_gedit_score.py` does.

    Args:
        folder: `eval_results_new`.
        model: how the files begin.
        language: as the column `instruction_language` is to have it.

    Raises:
        StoreError: a file cannot be written.
    """
    for group in GROUPS:  # empty ones too: the statistics script dies where one is missing
        own = [row for row in rows if row.group == group]
        _write(folder / f"{model}_{group}_gpt_score.csv", own, language)
    ordered = sorted(rows, key=lambda row: GROUPS.index(row.group))
    _write(folder / f"{model}_combined_gpt_score.csv", ordered, language)


def read_table(file: Path) -> list[GEditRow]:
    """The rows of such a file.

    Raises:
        ConfigError: it is none.
    """
    records = read_csv(file, _COLUMNS, "…_combined_gpt_score.csv of GEdit-Bench's scripts").records
    return [_row(file, number, record.cells) for number, record in enumerate(records, 1)]


def _row(file: Path, number: int, cells: dict[str, str]) -> GEditRow:
    where = f"{str(file)!r} row {number}"
    source, edited, instruction, semantics, quality, within, language = (
        cells[name] for name in _COLUMNS
    )
    if not re.search(rf"(^|[/\\])({'|'.join(GROUPS)})[/\\][^/\\]+[/\\][^/\\]+\.png$", edited):
        raise ConfigError(
            f"{where}: {quoted(edited)} does not end with <group>/<language>/<key>.png"
        )
    if within not in _TRUE:
        raise ConfigError(f"{where}: intersection_exist is {quoted(within)}, not True or False")
    score = Score(_number(where, semantics), _number(where, quality))
    return GEditRow(source, edited, instruction, score, _TRUE[within], language)


def _number(where: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ConfigError(
            f"{where}: {quoted(text)} is no score: the official script needs 0 or more"
        )
    return value


def _write(path: Path, rows: Iterable[GEditRow], language: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    writer.writerows(map(csv_cell, row.cells(language)) for row in rows)
    write_file(path, text.getvalue().encode())
