"""Results of a benchmark: rates with intervals, differences, curves; all from its trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import pi, sqrt
from typing import Annotated, Final

from pydantic import AfterValidator, Field, JsonValue

from rr_refine.agent.budget import Cost
from rr_refine.benchmarks.arms import BASELINES, Arm, baselines_of
from rr_refine.benchmarks.definitions import definitions
from rr_refine.benchmarks.item import MAX_RENDERS, WORSE_BY
from rr_refine.benchmarks.leaderboard import ItemSums, Leaderboard, macro, mean, ratio
from rr_refine.benchmarks.source import Source
from rr_refine.benchmarks.trial import Trial
from rr_refine.benchmarks.trial_columns import TrialColumns
from rr_refine.files import require_inside
from rr_refine.statistics import Estimate, Range
from rr_refine.terms import Amount, Identity, Record

__all__ = [
    "ArmResult",
    "Coverage",
    "CurvePoint",
    "Difference",
    "Noise",
    "Provenance",
    "Regressions",
    "Results",
    "WinTieLoss",
    "summarise",
]

_TIE: Final = 1e-9
"""Scores that differ by less are the same: sums of fractions may be rounded apart."""


class CurvePoint(Record):
    """An arm with so many renders allowed."""

    allowed: int
    spent: float
    """Mean."""
    exact: Estimate
    score: Estimate


class Regressions(Record):
    """How often the result is not as good as the first picture; see `definitions`."""

    lost: Estimate
    worse: Estimate
    regressed: Estimate


class WinTieLoss(Record):
    """Items on which an arm scores higher than one-shot, the same, and lower."""

    win: int
    tie: int
    loss: int


class Coverage(Record):
    """What there is a mark of."""

    items: int
    pictures: int
    """Items with a result."""
    marked: int
    """Items whose result has a mark."""
    missing: dict[str, int]
    """The others, by what they lack and why: `{"CriticUnreadable": 2}`."""


class ArmResult(Record):
    """One arm over all items; see `definitions`."""

    arm: Annotated[str, AfterValidator(require_inside)]
    policy: dict[str, JsonValue]
    items: int
    exact: Estimate
    score: Estimate
    score_counted: Estimate | None
    """None where nothing has a mark."""
    overall: Estimate | None
    """None where the benchmark has no dimensions."""
    overall_counted: Estimate | None
    dimensions: dict[str, Estimate]
    coverage: Coverage
    win_tie_loss: WinTieLoss | None
    """None for one-shot itself, and without it."""
    text_right: Estimate | None = None
    """None where no lettering was measured."""
    text_said: Estimate | None = None
    renders: float
    seconds: float | None = None
    """None where no trial knows."""
    critic_calls: float
    tokens: float
    triggered: Estimate
    regressions: Regressions
    failed: int
    faults: int
    stops: dict[str, int]
    """Runs by the rule that ended them."""
    exact_by: dict[str, dict[str, Estimate]]
    """By label, by its value: `exact_by["register"]["terse"]`."""
    curve: tuple[CurvePoint, ...]
    """Empty where only results were graded."""


class Difference(Record):
    """One arm less another."""

    arm: str
    baseline: str
    exact: Estimate
    score: Estimate
    overall: Estimate | None
    dimensions: dict[str, Estimate]
    exact_by: dict[str, dict[str, Estimate]]


class Noise(Record):
    """How far a judge agrees with itself: the same pictures judged twice."""

    pictures: int
    difference: float
    """Mean absolute difference of the two scores."""
    flipped: float
    """Share of pictures that were exact once and not the other time."""

    def floor(self, items: int) -> float:
        """What judging alone makes of a difference of two means over so many items, 95 %: +- this.

        If both scores of a picture are normal with deviation s about the same value, their mean
        absolute difference is 2 s / sqrt(pi); a difference of two means has deviation
        s sqrt(2 / items). Less where arms have pictures, and so judgements, in common.
        """
        deviation = self.difference * sqrt(pi) / 2
        return 1.96 * deviation * sqrt(2 / items)


class Provenance(Record):
    """Of what, and with what."""

    benchmark: str
    renders: int = Field(ge=1, le=MAX_RENDERS)
    generator: Identity
    critic: Identity
    judge: Identity | None = None
    """None where the grader is a program, or there is none."""
    judge_is_critic: bool = False
    """Does the judge grade what it steered?"""
    wording: str = ""
    """Where the words of the judge's questions are from; see `AsksJudge`."""
    files: dict[str, str] = {}
    """sha256 of the benchmark's files, by name."""
    notes: tuple[str, ...] = ()
    """What is unusual about them."""
    source: Source | None = None
    """How they were read; None where an older version did not say."""
    date: str = ""
    """UTC, ISO 8601, of the judgements; hosted judges change."""
    versions: dict[str, JsonValue]
    settings: dict[str, JsonValue] = {}
    """Of generator and critic, without keys and passwords."""
    seconds: Amount = 0.0
    """Wall time of the session that made this; less than all where it was resumed."""
    cost: Cost | None = Field(default=None, exclude_if=lambda cost: cost is None)
    """What the services took that were asked, judges among them, in every session; None where none
    has a price."""
    made: dict[str, int] = {}
    """Renders, critiques and comparisons that this session made and found in no cache."""


class Results(Record):
    """Everything that results.json holds."""

    provenance: Provenance
    definitions: dict[str, str]
    dimensions: tuple[str, ...]
    """Those whose mean is the overall value, as far as there are items that have them."""
    worse_by: Amount
    """Score points that make a result worse than the first picture."""
    scale: tuple[Amount, Amount] | None = None
    """See `Benchmark.scale`."""
    unfinished: int
    arms: Annotated[tuple[ArmResult, ...], Field(min_length=1)]
    differences: tuple[Difference, ...]
    noise: Noise | None
    """None where it was not measured."""
    official: dict[str, JsonValue]
    """By arm."""
    official_values: dict[str, dict[str, float | None]] = {}
    """By arm and dimension, `overall` included: see `OfficialTable`."""
    extra_views: dict[str, JsonValue]
    """By arm: other readings of the same judgements, such as a more tolerant parser's."""


def summarise(
    read: Callable[[], Iterable[Trial]],
    arms: Sequence[Arm],
    provenance: Provenance,
    *,
    dimensions: Sequence[str] = (),
    official: Mapping[str, JsonValue] | None = None,
    official_values: Mapping[str, dict[str, float | None]] | None = None,
    extra_views: Mapping[str, JsonValue] | None = None,
    noise: Noise | None = None,
    worse_by: float = WORSE_BY,
    scale: Range | None = None,
) -> Results:
    """The statistics of trials, over the items that every arm has been through.

    Args:
        read: gives the trials, one at a time; none is kept.
        arms: those to report; trials of others are left alone.
        dimensions: see `Benchmark`.
        official: by arm, see `OfficialScore.official`.
        official_values: by arm, see `OfficialTable.official_values`.
        extra_views: by arm.
        worse_by: score points that make a result worse than the first picture.
        scale: see `Benchmark.scale`.

    Raises:
        ConfigError: there is no item that every arm has been through, or an arm has one twice.
    """
    by_arm = {arm.name: TrialColumns(provenance.renders, worse_by) for arm in arms}
    for trial in read():
        if trial.arm in by_arm:
            by_arm[trial.arm].add(trial)
    board = Leaderboard(by_arm, dimensions)
    view = board.view()
    pairs = [(a, b) for a in by_arm for b in baselines_of(by_arm) if b != a]
    by = _exact_by(board, by_arm, pairs)
    return Results(
        provenance=provenance,
        definitions=definitions(worse_by),
        dimensions=tuple(dimensions),
        worse_by=worse_by,
        scale=scale,
        unfinished=board.unfinished,
        arms=tuple(_arm_result(arm, board, view, by[arm.name, ""], scale) for arm in arms),
        differences=tuple(_difference(board, view, *pair, by[pair], scale) for pair in pairs),
        noise=noise,
        official=dict(official or {}),
        official_values=dict(official_values or {}),
        extra_views=dict(extra_views or {}),
    )


def _exact_by(
    board: Leaderboard, arms: Iterable[str], pairs: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, dict[str, Estimate]]]:
    """By arm and baseline, where it has one, by label, by its value."""
    found: dict[tuple[str, str], dict[str, dict[str, Estimate]]]
    found = {key: {} for key in [*((arm, "") for arm in arms), *pairs]}
    exact = mean("exact")
    for label, value, view in board.slices():
        for (arm, baseline), own in found.items():
            own.setdefault(label, {})[value] = (
                view.gap(exact, arm, baseline) if baseline else view.estimate(exact, arm)
            )
    return found


def _arm_result(
    arm: Arm,
    board: Leaderboard,
    view: ItemSums,
    exact_by: dict[str, dict[str, Estimate]],
    scale: Range | None,
) -> ArmResult:
    name = arm.name
    marked = round(_total(board, name, "marked"))
    overall = macro("got", "of", board.dimensions) if board.dimensions else None
    counted = macro("got counted", "of counted", board.dimensions) if marked and overall else None
    triggered, lost, worse, regressed = (
        view.estimate(mean(measure), name)
        for measure in ("triggered", "lost", "worse", "regressed")
    )
    texts = round(_total(board, name, "texts"))
    right, said = (
        view.estimate(ratio(measure, "texts"), name, texts) if texts else None
        for measure in ("text right", "text said")
    )
    timed = _total(board, name, "timed")
    return ArmResult(
        arm=name,
        policy=arm.policy.model_dump(mode="json"),
        items=board.items,
        exact=view.estimate(mean("exact"), name),
        score=view.estimate(mean("score"), name, scale=scale),
        score_counted=(
            view.estimate(ratio("score counted", "marked"), name, marked, scale) if marked else None
        ),
        overall=overall and view.estimate(overall, name, scale=scale),
        overall_counted=counted and view.estimate(counted, name, marked, scale),
        dimensions={
            part: view.estimate(ratio("got", "of", part), name, _having(board, name, part), scale)
            for part in board.parts
        },
        coverage=Coverage(
            items=board.items,
            pictures=round(_total(board, name, "pictures")),
            marked=marked,
            missing=_count(board.words(name, "missing")),
        ),
        win_tie_loss=_win_tie_loss(board, name),
        text_right=right,
        text_said=said,
        renders=_total(board, name, "renders") / board.items,
        seconds=_total(board, name, "seconds") / timed if timed else None,
        critic_calls=_total(board, name, "calls") / board.items,
        tokens=_total(board, name, "tokens") / board.items,
        triggered=triggered,
        regressions=Regressions(lost=lost, worse=worse, regressed=regressed),
        failed=round(_total(board, name, "failed")),
        faults=round(_total(board, name, "faults")),
        stops=_count(board.words(name, "stops")),
        exact_by=exact_by,
        curve=tuple(_curve_point(board, view, name, allowed, scale) for allowed in board.allowed),
    )


def _curve_point(
    board: Leaderboard, view: ItemSums, arm: str, allowed: int, scale: Range | None
) -> CurvePoint:
    return CurvePoint(
        allowed=allowed,
        spent=_total(board, arm, "spent at", str(allowed)) / board.items,
        exact=view.estimate(mean("exact at", str(allowed)), arm),
        score=view.estimate(mean("score at", str(allowed)), arm, scale=scale),
    )


def _difference(
    board: Leaderboard,
    view: ItemSums,
    arm: str,
    baseline: str,
    exact_by: dict[str, dict[str, Estimate]],
    scale: Range | None,
) -> Difference:
    overall = macro("got", "of", board.dimensions) if board.dimensions else None
    return Difference(
        arm=arm,
        baseline=baseline,
        exact=view.gap(mean("exact"), arm, baseline),
        score=view.gap(mean("score"), arm, baseline, scale=scale),
        overall=overall and view.gap(overall, arm, baseline, scale=scale),
        dimensions={
            part: view.gap(
                ratio("got", "of", part), arm, baseline, _having(board, arm, part), scale
            )
            for part in board.parts
        },
        exact_by=exact_by,
    )


def _win_tie_loss(board: Leaderboard, arm: str) -> WinTieLoss | None:
    if arm == BASELINES[0] or BASELINES[0] not in board.arms:
        return None
    gaps = board.column(arm, "score") - board.column(BASELINES[0], "score")
    win, loss = int((gaps > _TIE).sum()), int((gaps < -_TIE).sum())
    return WinTieLoss(win=win, tie=board.items - win - loss, loss=loss)


def _having(board: Leaderboard, arm: str, part: str) -> int:
    """How many items have this part."""
    return int((board.column(arm, "of", part) > 0).sum())


def _total(board: Leaderboard, arm: str, name: str, part: str = "") -> float:
    return float(board.column(arm, name, part).sum())


def _count(words: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(word for word in words if word).items()))
