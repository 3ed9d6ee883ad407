"""The measure that a benchmark compares its arms by, and how its numbers are written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rr_refine.benchmarks.results import ArmResult, Difference, Results
from rr_refine.statistics import SHARE, Estimate

__all__ = [
    "Headline",
    "Scale",
    "headline",
    "is_published",
    "overall_scale",
    "percent",
    "points",
    "score_scale",
]


def percent(estimate: Estimate) -> str:
    """`71.3 % [66.0, 76.3]`."""
    return f"{100 * estimate.value:.1f} % {_interval(estimate, '.1f', 100)}"


def points(estimate: Estimate) -> str:
    """A difference of shares: `+12.0 [+8.3, +15.7]`."""
    return f"{100 * estimate.value:+.1f} {_interval(estimate, '+.1f', 100)}"


def _interval(estimate: Estimate, form: str, times: float = 1) -> str:
    if estimate.low is None or estimate.high is None:
        return "[n/a]"
    return f"[{times * estimate.low:{form}}, {times * estimate.high:{form}}]"


@dataclass(frozen=True, slots=True)
class Scale:
    """How values of a measure are written."""

    share: bool
    """0 to 1, in percent; any other scale with two decimals."""

    def show(self, estimate: Estimate) -> str:
        """`71.3 % [66.0, 76.3]` or `3.52 [3.40, 3.64]`."""
        if self.share:
            return percent(estimate)
        return f"{estimate.value:.2f} {_interval(estimate, '.2f')}"

    def show_gap(self, estimate: Estimate) -> str:
        """`+12.0 [+8.3, +15.7]` or `+0.35 [+0.21, +0.49]`."""
        if self.share:
            return points(estimate)
        return f"{estimate.value:+.2f} {_interval(estimate, '+.2f')}"

    def show_value(self, value: float) -> str:
        """`71.3 %` or `3.52`."""
        return f"{100 * value:.1f} %" if self.share else f"{value:.2f}"

    def show_change(self, value: float) -> str:
        """`+12.0` or `+0.35`."""
        return f"{100 * value:+.1f}" if self.share else f"{value:+.2f}"


@dataclass(frozen=True, slots=True)
class Headline:
    """The measure by which arms are compared."""

    name: Literal["exact", "overall", "score"]
    scale: Scale

    def of(self, result: ArmResult | Difference) -> Estimate:
        """An arm's, or the difference that it makes."""
        if self.name == "overall":
            assert result.overall is not None
            return result.overall
        return result.exact if self.name == "exact" else result.score


def headline(results: Results) -> Headline | None:
    """The overall value where the benchmark has one, the score where a judge grades, else the share
    of exact results; None where nothing was graded.
    """
    if not any(arm.coverage.marked for arm in results.arms):
        return None
    if any(arm.overall for arm in results.arms):
        return Headline("overall", overall_scale(results))
    if is_published(results):
        return Headline("score", score_scale(results))
    return Headline("exact", Scale(share=True))


def is_published(results: Results) -> bool:
    """Is it graded by a judge, or in dimensions? If not, by a program, as exact or not."""
    return results.provenance.judge is not None or bool(results.dimensions)


def overall_scale(results: Results) -> Scale:
    """Of the overall value and of every dimension."""
    shown = [part for arm in results.arms for part in (*arm.dimensions.values(), arm.overall)]
    return Scale(share=_are_shares(results, (estimate for estimate in shown if estimate)))


def score_scale(results: Results) -> Scale:
    """Of the score."""
    scores = (arm.score for arm in results.arms)
    return Scale(is_published(results) and _are_shares(results, scores))


def _are_shares(results: Results, estimates: Iterable[Estimate]) -> bool:
    """Where the scale is not known: do the values look like shares?"""
    if results.scale is not None:
        return results.scale == SHARE
    return all(0 <= estimate.value <= 1 for estimate in estimates)
