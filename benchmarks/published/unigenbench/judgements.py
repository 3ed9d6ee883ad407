"""The official file of judgements: a CSV file that `calculate_score.py` reads, one row a picture.

Columns: `index`, `prompt`, `testpoint` (a Python list), `output` (the judge's answer),
`result_json` (the reading as JSON, or `null`), `img_path`.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rr_refine.benchmarks.published.csv_file import read_csv
from rr_refine.benchmarks.published.unigenbench.reading import literal

__all__ = ["COLUMNS", "Judgement", "read_judgements", "to_csv", "to_judgement"]

COLUMNS: Final = ("index", "prompt", "testpoint", "output", "result_json", "img_path")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the official scoring script finds in a row that it does not drop."""

    testpoints: list[str]
    scores: list[object]
    """As the judge gave them; as a rule, one for each testpoint."""


def to_judgement(testpoint: str, result_json: str) -> Judgement | None:
    """Read two cells of a row as the official scoring script does, with `ast.literal_eval`.

    None where it drops the row: `null`, scores that are no list, or a `true`, `false` or `null`
    anywhere in the JSON.
    """
    try:
        labels, result = literal(testpoint), literal(result_json)
    except ValueError:
        return None
    scores = result.get("score") if isinstance(result, dict) else None
    if not (isinstance(labels, list) and all(isinstance(label, str) for label in labels)):
        return None
    return Judgement(labels, scores) if isinstance(scores, list) else None


def read_judgements(file: Path) -> list[tuple[str, Judgement | None]]:
    """Every row of such a file, of the official scripts or ours, with the id of its item.

    The id is from the picture's name, `{index}_{sample}`; where there is none, the rows of an
    index are numbered.

    Raises:
        ConfigError: it is no such file.
    """
    unnamed: Counter[str] = Counter()
    rows = []
    for record in read_csv(file, ("index", "testpoint", "result_json")).records:
        cells = record.cells
        if name := re.search(r"(?:^|[/\\])(\d+_\d+)\.\w+$", cells.get("img_path", "")):
            item = name.group(1)
        else:
            index = cells["index"]
            item = f"{index}_{unnamed[index]}"
            unnamed[index] += 1
        rows.append((item, to_judgement(cells["testpoint"], cells["result_json"])))
    return rows


def to_csv(rows: Iterable[tuple[str, ...]]) -> bytes:
    """Such a file, of rows with `COLUMNS`."""
    text = io.StringIO()
    # All cells quoted: a lone carriage return in an answer would end the row otherwise.
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([COLUMNS, *rows])
    # Half a surrogate pair, which a judge may well send, is no UTF-8.
    return text.getvalue().encode("utf-8", "replace")
