"""Results as CSV files: a line per trial, and a line per estimate."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping

from rr_refine.benchmarks.results import ArmResult, Difference, Results
from rr_refine.benchmarks.trial import Point, Trial
from rr_refine.plain_text import csv_cell
from rr_refine.statistics import Estimate

__all__ = ["estimate_lines", "trial_lines"]


def trial_lines(results: Results, trials: Iterable[Trial]) -> Iterator[str]:
    """`results.csv`: one line per arm and item, with a head.

    What has no mark has no score either, and says why in `missing`. Labels that all items have are
    columns `label_…`.
    """
    labels = list(results.arms[0].exact_by)
    yield _line(
        [
            *("arm", "item", "group", *(f"label_{label}" for label in labels)),
            *("first_score", "first_exact", "score", "exact", "missing", "spent"),
            *("critic_calls", "critic_tokens", "triggered", "stop", "error", "run"),
            *("text_right", "text_said", "seconds"),
        ]
    )
    for trial in trials:
        sample = trial.result.sample
        missing = "no picture" if sample is None else sample.fault
        yield _line(
            [
                *(trial.arm, trial.item, trial.group),
                *(trial.labels.get(label) for label in labels),
                *_grade(trial.first),
                *_grade(trial.result),
                *(missing, trial.result.spent, trial.critic_calls, trial.critic_tokens),
                *(int(trial.triggered), trial.stop, trial.error, trial.run),
                *((sample.text_right, sample.text_said) if sample else (None, None)),
                trial.seconds,
            ]
        )


def estimate_lines(results: Results) -> Iterator[str]:
    """`dimensions.csv`: every estimate over all items with its 95 % interval, if any, with a head.

    A `kind` is `measure` (exact, score, overall; of an arm text right and text said),
    `dimension` (those that the overall value is the mean of) or `part` (finer ones). A line with a
    baseline is the arm less it.
    """
    yield _line(["arm", "baseline", "kind", "name", "value", "low", "high", "items"])
    for arm in results.arms:
        yield from _estimates(results, arm, "")
    for difference in results.differences:
        yield from _estimates(results, difference, difference.baseline)


def _estimates(results: Results, of: ArmResult | Difference, baseline: str) -> Iterator[str]:
    measures: Mapping[str, Estimate | None]
    measures = {"exact": of.exact, "score": of.score, "overall": of.overall}
    if isinstance(of, ArmResult):
        measures |= {"text right": of.text_right, "text said": of.text_said}
    for name, measured in measures.items():
        if measured is not None:
            yield _estimate([of.arm, baseline, "measure", name], measured)
    for part, measured in of.dimensions.items():
        kind = "dimension" if part in results.dimensions else "part"
        yield _estimate([of.arm, baseline, kind, part], measured)


def _estimate(names: list[str], found: Estimate) -> str:
    return _line([*names, found.value, found.low, found.high, found.items])


def _grade(point: Point) -> tuple[float | None, int | None]:
    mark = point.mark
    return (None, None) if mark is None else (mark.score, int(mark.exact))


def _line(cells: Iterable[object]) -> str:
    """None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(map(csv_cell, cells))
    return text.getvalue()
