"""The files of a benchmark: results, tables, plots, spreadsheets, and the page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from rr_refine.benchmarks.judgements_page import judgements_parts
from rr_refine.benchmarks.page import page_parts
from rr_refine.benchmarks.plot import draw_plots
from rr_refine.benchmarks.results import Results
from rr_refine.benchmarks.spreadsheet import estimate_lines, trial_lines
from rr_refine.benchmarks.table import write_tables
from rr_refine.benchmarks.trial import Trial
from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError, StoreError
from rr_refine.files import read_file, replacing
from rr_refine.invalid import told_invalid
from rr_refine.terms import Record

__all__ = ["moved", "read_results", "write_json", "write_report", "write_text"]


def write_report(out: Path, results: Results, read: Callable[[], Iterable[Trial]]) -> None:
    """Write what there is to look at into `out`; each file as a whole or not at all.

    results.json        everything
    table.md            the tables
    index.html          tables, plots, and the items with their pictures
    judgements.html     every answer of the judge, where one was asked
    results.csv         a line per trial
    dimensions.csv      a line per estimate
    exact.svg, …        the plots

    All of it is derived: trials.jsonl and the run folders have everything that it says.

    Args:
        read: gives the trials that the results are of, one at a time; called more than once.

    Raises:
        StoreError: a file cannot be written.
    """
    plots = draw_plots(results)
    _write(out, "results.json", [_json(results)])
    _write(out, "table.md", [write_tables(results)])
    _write(out, "dimensions.csv", estimate_lines(results))
    for name, svg in plots.items():
        _write(out, f"{name}.svg", [svg])
    _write(out, "results.csv", trial_lines(results, read()))
    answers = judgements_parts(results, out)
    if answers is not None:
        _write(out, "judgements.html", answers)
    _write(out, "index.html", page_parts(results, plots, read(), out, answers=answers is not None))


def moved(trials: Iterable[Trial], folder: Path, out: Path) -> Iterator[Trial]:
    """Trials of the benchmark in `folder` for a report in `out`: their runs stay where they are."""
    way = os.path.relpath(folder, out)
    for trial in trials:
        yield trial.model_copy(update={"run": f"{way}/{trial.run}"})


def read_results(folder: Path) -> Results:
    """What `write_report` left there.

    Raises:
        ConfigError: there is no finished benchmark.
    """
    path = folder / "results.json"
    try:
        return Results.model_validate_json(read_file(path))
    except FileNotFoundError:
        raise ConfigError(f"{str(folder)!r} has no results.json: no finished benchmark") from None
    except (OSError, ValidationError) as error:
        why = told_invalid(error) if isinstance(error, ValidationError) else error
        raise ConfigError(f"{str(path)!r} cannot be read: {why}") from None


def write_json(out: Path, name: str, record: Record) -> None:
    """Write one record as a file of `out`.

    Raises:
        StoreError: it cannot be written.
    """
    _write(out, name, [_json(record)])


def write_text(out: Path, name: str, text: str) -> None:
    """Write a text as a file of `out`.

    Raises:
        StoreError: it cannot be written.
    """
    _write(out, name, [text])


def _json(record: Record) -> str:
    return json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def _write(out: Path, name: str, parts: Iterable[str]) -> None:
    """Write a file piece by piece; it is there when it is whole."""
    with (
        raised_as(StoreError, f"cannot write the report to {str(out)!r}"),
        replacing(out / name, durable=False) as file,
    ):
        file.writelines(part.encode() for part in parts)
