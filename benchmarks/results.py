"""What a benchmark came to: rates with intervals, differences, curves; all from its trials."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from rr_refine.benchmarks.arms import BASELINES
from rr_refine.benchmarks.bootstrap import RESAMPLES, Estimate, estimate, estimate_by
from rr_refine.terms import Identity, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rr_refine.benchmarks.arms import Arm
    from rr_refine.benchmarks.trial import Point, Trial

__all__ = [
    "DEFINITIONS",
    "ArmResult",
    "CurvePoint",
    "Difference",
    "Provenance",
    "Regressions",
    "Results",
    "summarise",
]

_WORSE_BY: Final = 0.1
"""Score points; the margin of the loop's own acceptance rule."""

DEFINITIONS: Final[dict[str, str]] = {
    "exact": "Share of items whose result is exact: all that was asked for is there and nothing "
    "else, by the benchmark's grader, which no arm has seen. An item without a picture is not.",
    "score": "Mean score of the results by the same grader, 1 to 4; an item without a picture "
    "has 1.",
    "renders": "Mean number of pictures rendered per item. Pictures that arms have in common are "
    "rendered once and counted in each.",
    "curve": "What the arm would have returned with 1, 2, … renders allowed: its recorded run, "
    "weighed again under that budget. `spent` is what it would have used of them.",
    "interval": f"95 % percentile bootstrap over items, {RESAMPLES:,} resamples, seeded. Arms are "
    "resampled together, so differences are paired.",
    "difference": "Arm less baseline over the same items; shares in points of 1.",
    "lost": "Regression by exactness: the arm's first picture (round 0, candidate 0) was exact, "
    "its result is not. Share of all items.",
    "worse": f"Regression by score: the result scores more than {_WORSE_BY} below the arm's first "
    "picture. Share of all items.",
    "regressed": "Lost, or worse, or both. Share of all items.",
    "failed": "Runs that ended by a fault of generator or critic, or with an error. They are held "
    "to what they returned, and are owed again when the benchmark is resumed.",
    "faults": "Renders and judgements that failed, in all runs of the arm.",
}
"""What the numbers are; part of results.json."""


class CurvePoint(Record):
    """An arm with so many renders allowed."""

    allowed: int
    spent: float
    """Mean."""
    exact: Estimate
    score: Estimate


class Regressions(Record):
    """How often the result is not as good as the first picture; see `DEFINITIONS`."""

    lost: Estimate
    worse: Estimate
    regressed: Estimate


class ArmResult(Record):
    """One arm over all items; see `DEFINITIONS`."""

    arm: str
    policy: dict[str, JsonValue]
    items: int
    exact: Estimate
    score: Estimate
    renders: float
    critic_calls: float
    """Mean answers asked of the critic per item."""
    regressions: Regressions
    failed: int
    faults: int
    stops: dict[str, int]
    """Runs by the rule that ended them."""
    exact_by: dict[str, dict[str, Estimate]]
    """By label, by its value: `exact_by["register"]["terse"]`."""
    curve: tuple[CurvePoint, ...]


class Difference(Record):
    """One arm less another."""

    arm: str
    baseline: str
    exact: Estimate
    score: Estimate
    exact_by: dict[str, dict[str, Estimate]]


class Provenance(Record):
    """Of what, and with what."""

    benchmark: str
    renders: int
    generator: Identity
    critic: Identity
    versions: dict[str, JsonValue]
    settings: dict[str, JsonValue]
    """Of generator and critic, without keys and passwords."""
    seconds: float
    """Wall time of the session that made this; less than all where it was resumed."""
    made: dict[str, int]
    """Renders, critiques and comparisons that this session made and found in no cache."""


class Results(Record):
    """Everything that results.json holds."""

    provenance: Provenance
    definitions: dict[str, str]
    arms: tuple[ArmResult, ...]
    differences: tuple[Difference, ...]


def summarise(trials: Sequence[Trial], arms: Sequence[Arm], provenance: Provenance) -> Results:
    """The statistics of trials.

    Raises:
        ValueError: an arm has no trials, or other items than another.
    """
    by_arm = {arm.name: [t for t in trials if t.arm == arm.name] for arm in arms}
    if len({tuple(t.item for t in own) for own in by_arm.values()}) != 1:
        raise ValueError("arms cannot be compared over different items")
    return Results(
        provenance=provenance,
        definitions=DEFINITIONS,
        arms=tuple(_arm_result(arm, by_arm[arm.name]) for arm in arms),
        differences=tuple(
            _difference(name, own, baseline, by_arm[baseline])
            for name, own in by_arm.items()
            for baseline in BASELINES
            if baseline in by_arm and baseline != name
        ),
    )


def _arm_result(arm: Arm, trials: Sequence[Trial]) -> ArmResult:
    results = [trial.result for trial in trials]
    stops = [trial.stop for trial in trials if trial.stop]
    return ArmResult(
        arm=arm.name,
        policy=arm.policy.model_dump(mode="json"),
        items=len(trials),
        exact=estimate([point.exact for point in results]),
        score=estimate([point.score for point in results]),
        renders=fmean(point.spent for point in results),
        critic_calls=fmean(trial.critic_calls for trial in trials),
        regressions=_regressions(trials),
        failed=sum(trial.error is not None for trial in trials),
        faults=sum(len(trial.faults) for trial in trials),
        stops={rule: stops.count(rule) for rule in sorted(set(stops))},
        exact_by=_by_label(trials, lambda trial: trial.result.exact),
        curve=tuple(
            _curve_point(allowed, points)
            for allowed, points in enumerate(zip(*(t.points for t in trials), strict=True), 1)
        ),
    )


def _regressions(trials: Sequence[Trial]) -> Regressions:
    lost = [t.first.exact and not t.result.exact for t in trials]
    worse = [t.first.score - t.result.score > _WORSE_BY + 1e-9 for t in trials]
    either = [a or b for a, b in zip(lost, worse, strict=True)]
    return Regressions(lost=estimate(lost), worse=estimate(worse), regressed=estimate(either))


def _curve_point(allowed: int, points: Sequence[Point]) -> CurvePoint:
    return CurvePoint(
        allowed=allowed,
        spent=fmean(point.spent for point in points),
        exact=estimate([point.exact for point in points]),
        score=estimate([point.score for point in points]),
    )


def _difference(
    name: str, trials: Sequence[Trial], baseline: str, others: Sequence[Trial]
) -> Difference:
    other = {trial.item: trial.result for trial in others}
    gaps = [trial.result.score - other[trial.item].score for trial in trials]
    return Difference(
        arm=name,
        baseline=baseline,
        exact=estimate([t.result.exact - other[t.item].exact for t in trials]),
        score=estimate(gaps),
        exact_by=_by_label(trials, lambda t: t.result.exact - other[t.item].exact),
    )


def _by_label(
    trials: Sequence[Trial], measure: Callable[[Trial], float]
) -> dict[str, dict[str, Estimate]]:
    """For each label that all items have."""
    return {
        name: estimate_by([t.labels[name] for t in trials], map(measure, trials))
        for name in trials[0].labels
        if all(name in trial.labels for trial in trials)
    }
