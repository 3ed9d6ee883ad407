"""The files of a benchmark: results, tables, curves, and every trial."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rr_refine.benchmarks.plot import draw_exact, draw_score
from rr_refine.benchmarks.table import write_tables
from rr_refine.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rr_refine.benchmarks.results import Results
    from rr_refine.benchmarks.trial import Trial
    from rr_refine.terms import Record

__all__ = ["write_json", "write_report"]


def write_report(out: Path, results: Results, trials: Sequence[Trial]) -> None:
    """Write `results.json`, `table.md`, `exact.svg`, `score.svg` and `trials.jsonl` into `out`.

    They are derived: the run folders below have everything that they say.

    Raises:
        StoreError: a file cannot be written.
    """
    lines = [json.dumps(trial.model_dump(mode="json"), ensure_ascii=False) for trial in trials]
    _write(
        out,
        {
            "results.json": _json(results),
            "table.md": write_tables(results),
            "exact.svg": draw_exact(results),
            "score.svg": draw_score(results),
            "trials.jsonl": "".join(f"{line}\n" for line in lines),
        },
    )


def write_json(out: Path, name: str, record: Record) -> None:
    """Write one record as a file of `out`.

    Raises:
        StoreError: it cannot be written.
    """
    _write(out, {name: _json(record)})


def _json(record: Record) -> str:
    return json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def _write(out: Path, files: Mapping[str, str]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            part = out / f".{name}.part"
            part.write_text(text, "utf-8")
            part.replace(out / name)
    except OSError as error:
        raise StoreError(f"cannot write the report to {str(out)!r}: {error}") from error
