"""How judgements of UniGenBench are read and counted: official file and table, and marks.

The file is a CSV file that `calculate_score.py` reads, one row a picture. Columns: `index`,
`prompt`, `testpoint` (a Python list), `output` (the judge's answer), `result_json` (the reading as
JSON, or `null`), `img_path`.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

from pydantic import JsonValue

from rr_refine.benchmarks.item import Mark
from rr_refine.benchmarks.published.benchmark import number_at
from rr_refine.benchmarks.published.csv_file import read_csv
from rr_refine.benchmarks.published.unigenbench.reading import literal
from rr_refine.benchmarks.published.unigenbench.taxonomy import dimension, official_dimension
from rr_refine.plain_text import csv_cell

__all__ = [
    "COLUMNS",
    "Judgement",
    "official_scores",
    "read_judgements",
    "to_csv",
    "to_judgement",
    "to_mark",
]


def official_scores(
    rows: Iterable[tuple[Sequence[str], Sequence[object]]],
) -> dict[str, JsonValue]:
    """What the official `calculate_score.py` writes for these rows, to the last digit.

    Only what equals 1 is correct: `1`, `1.0` and `True` are, `'1'` is not. Where a row has more
    testpoints than scores, or the reverse, the first are counted. Primary dimensions come in the
    order of their first appearance, with the space that the split at `-` leaves (`Attribute `);
    sub-dimensions are sorted, and labels without a second part, such as `Style`, are among them.

    Args:
        rows: testpoints and scores of every row that the script does not drop, in order.
    """
    primary: dict[str, list[int]] = {}
    sub: dict[str, list[int]] = {}
    for labels, scores in rows:
        for label, score in zip(labels, scores, strict=False):
            for table, key in ((primary, official_dimension(label)), (sub, label)):
                count = table.setdefault(key, [0, 0])
                count[0] += score == 1
                count[1] += 1
    return {
        "primary_dimensions": {key: _entry(*count) for key, count in primary.items()},
        "sub_dimensions": {key: _entry(*sub[key]) for key in sorted(sub)},
    }


def official_accuracies(official: Mapping[str, JsonValue]) -> dict[str, float | None]:
    """The accuracies of `official_scores` by our names, and `overall`, the mean of the primary ones
    in four digits.
    """
    found: list[dict[str, float | None]] = []
    for table in ("primary_dimensions", "sub_dimensions"):
        entries = official[table]
        assert isinstance(entries, dict)
        found.append({k.strip(): number_at(entry, "accuracy") for k, entry in entries.items()})
    primary, sub = found
    known = [value for value in primary.values() if value is not None]
    overall = round(fmean(known), 4) if known else None
    return {"overall": overall, **primary, **{k: v for k, v in sub.items() if k not in primary}}


def to_mark(
    testpoints: Sequence[str], descriptions: Sequence[str], scores: Sequence[object]
) -> Mark:
    """The mark that these scores make: the share of testpoints that are passed.

    Its parts are the primary dimensions, without the official space, and the labels that have a
    second part; each occurrence of a testpoint counts.

    Args:
        testpoints: at least one.
        descriptions: as many, empty where they are not known.
        scores: as many, as the judge gave them.
    """
    parts: dict[str, tuple[float, float]] = {}
    missed = []
    for label, description, score in zip(testpoints, descriptions, scores, strict=True):
        passed = score == 1
        for part in dict.fromkeys((dimension(label), label)):
            got, of = parts.get(part, (0.0, 0.0))
            parts[part] = (got + passed, of + 1)
        if not passed:
            missed.append(f"{label}: {description}".removesuffix(": ") + _remark(score))
    return Mark(
        exact=not missed,
        score=(len(testpoints) - len(missed)) / len(testpoints),
        missed=tuple(missed),
        parts=parts,
    )


def _remark(score: object) -> str:
    """A warning where the judge meant 1 and the official script counts 0."""
    return " (the judge wrote '1', a text, which officially counts as 0)" if score == "1" else ""


def _entry(correct: int, total: int) -> JsonValue:
    return {"correct": correct, "total": total, "accuracy": round(correct / total, 4)}


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
    writer.writerows([COLUMNS, *(map(csv_cell, row) for row in rows)])
    # Half a surrogate pair, which a judge may well send, is no UTF-8.
    return text.getvalue().encode("utf-8", "replace")
