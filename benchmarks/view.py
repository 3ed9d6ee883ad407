"""Our own view of a set of marks: it shows what the official one hides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from rr_refine.benchmarks.item import Benchmark, Mark
from rr_refine.terms import Record

__all__ = ["Averages", "View", "view_of"]


class Averages(Record):
    """The same marks, averaged."""

    macro: float | None
    """The plain mean of the benchmark's main dimensions, as its tables have it; over those that
    have items, and None where none has."""
    micro: float | None
    """The mean over items."""
    dimensions: dict[str, float]
    """Sum of what was got over sum of what could be got; those that have items."""


class View(Record):
    """What `view_of` gives."""

    items: int
    """That the benchmark has, as far as it was loaded."""
    judged: int
    """Items with a mark."""
    failed: int
    """Items whose judgement is there and cannot be counted."""
    absent: int
    """Items without any judgement."""
    counted: Averages
    """Over judged items only: the others have left the denominator, as in the official scripts."""
    failures_as_zero: Averages
    """Over all items: failed and absent ones got nothing."""


def view_of(benchmark: Benchmark, marks: Mapping[str, Mark | None]) -> View:
    """Coverage and both averages.

    Args:
        benchmark: with its items.
        marks: by item id; None for a judgement that cannot be read. Items that are not named have
            none.
    """
    ids = [item.id for item in benchmark.items]
    there = [mark for name in ids if (mark := marks.get(name)) is not None]
    filled = [marks.get(item.id) or benchmark.worst(item) for item in benchmark.items]
    failed = sum(name in marks and marks[name] is None for name in ids)
    return View(
        items=len(ids),
        judged=len(there),
        failed=failed,
        absent=len(ids) - len(there) - failed,
        counted=_averages(benchmark, there),
        failures_as_zero=_averages(benchmark, filled),
    )


def _averages(benchmark: Benchmark, marks: Sequence[Mark]) -> Averages:
    sums: dict[str, tuple[float, float]] = {}
    for mark in marks:
        for name, (got, of) in mark.parts.items():
            before = sums.get(name, (0.0, 0.0))
            sums[name] = (before[0] + got, before[1] + of)
    values = {name: got / of for name, (got, of) in sums.items() if of}
    named = [values[name] for name in benchmark.dimensions if name in values]
    return Averages(
        macro=fmean(named) if named else None,
        micro=fmean(mark.score for mark in marks) if marks else None,
        dimensions=values,
    )
