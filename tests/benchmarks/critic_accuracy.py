"""How often a critic is right about which of two pictures is better, and how surely we know.

Rules, so that two numbers mean the same:

- pairs on which people saw a tie are judged, and count in no accuracy;
- a critic's tie on another pair is not right; half credit for it is a figure of its own;
- an answer that failed or could not be read is wrong, and is counted by its error;
- two pictures judged one by one are compared over the dimensions that were scored for both;
- a comparison is asked in both orders, and a pair's credit is the mean of the two.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

from rr_refine.batching import gather
from rr_refine.component import connected
from rr_refine.errors import ConfigError, CriticError
from rr_refine.pictures import load_picture
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison, Winner
from rr_refine.reward.critic import ComparisonRequest, Critic, CritiqueRequest, can_compare
from rr_refine.statistics import Clusters, Estimate, estimate
from rr_refine.terms import Record

if TYPE_CHECKING:
    from PIL import Image

    Picture: TypeAlias = "Image.Image | Path"
    ReadMissed: TypeAlias = "Callable[[Assessment], Collection[str]]"

__all__ = [
    "CaseResult",
    "Evaluation",
    "LabelledPair",
    "Mode",
    "Summary",
    "difference",
    "evaluate",
]

Mode = Literal["pointwise", "pairwise"]
"""Two critiques, as the loop and RL use them, or one comparison."""

_Asked = Literal["a", "b", "comparison"]

_ASKED: Final[dict[Mode, tuple[_Asked, ...]]] = {
    "pointwise": ("a", "b"),
    "pairwise": ("comparison",),
}
_SWAPPED: Final[dict[Winner, Winner]] = {"a": "b", "b": "a", "tie": "tie"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """Two pictures of one request, and which is better."""

    id: str
    prompt: str
    image_a: Picture
    image_b: Picture
    better: Winner
    source: Picture | None = None
    missed_a: frozenset[str] | None = None
    """What Image A misses of the request, in the words that `read_missed` finds; None: unknown."""
    missed_b: frozenset[str] | None = None


class CaseResult(Record):
    """What a critic said about one pair. Raw answers are in the assessments and the comparison."""

    id: str
    better: Winner
    """By the label."""
    a: Assessment | None = None
    """None: not asked, or failed."""
    b: Assessment | None = None
    comparison: Comparison | None = None
    failures: dict[_Asked, str] = {}
    """Errors by what was asked."""
    missed: tuple[int, int, int] = (0, 0, 0)
    """Missed requirements: named rightly, named wrongly, not named; of the pictures where known."""

    @property
    def gap(self) -> float | None:
        """Mean score of A less that of B, over the dimensions scored for both; None if failed."""
        if self.a is None or self.b is None:
            return None
        theirs = self.b.mean
        gaps = [
            ours - other
            for dimension, ours in self.a.mean.items()
            if ours is not None and (other := theirs[dimension]) is not None
        ]
        return fmean(gaps) if gaps else None

    def said(self, mode: Mode) -> tuple[Winner | None, ...]:
        """The winner by the critic, once for each order that was asked; None where it failed."""
        if mode == "pairwise":
            if self.comparison is None:
                return (None, None)
            reverse = _SWAPPED[self.comparison.reverse.winner]
            return (self.comparison.forward.winner, reverse)
        gap = self.gap
        if gap is None:
            return (None,)
        return ("tie" if abs(gap) < 1e-9 else "a" if gap > 0 else "b",)

    def credit(self, mode: Mode, tie: float = 0.0) -> float:
        """Share of orders in which it was right; `tie` is what a tie of the critic's is worth."""
        said = self.said(mode)
        return fmean(1.0 if s == self.better else tie if s == "tie" else 0.0 for s in said)


class Summary(Record):
    """The figures of one mode."""

    pairs: int
    """That differ, by their labels: what the accuracies are over."""
    ties: int
    accuracy: Estimate
    with_half_credit: float
    """Accuracy if a tie of the critic's counts half."""
    readable: float
    """Share of answers that could be read, tied pairs included."""
    failures: dict[str, int]
    """Kinds of error, and how often."""
    consistent: float | None = None
    """Pairwise: share of readable comparisons whose two orders agree."""
    missed_precision: float | None = None
    """Pointwise: share of the faults it names that are there. None: no label, or nothing named."""
    missed_recall: float | None = None
    """Pointwise: share of the faults that it names."""
    missed_f1: float | None = None


class Evaluation(Record):
    """What a critic said about a set of pairs."""

    modes: tuple[Mode, ...]
    cases: tuple[CaseResult, ...]

    def summary(self, mode: Mode) -> Summary:
        """The figures of `mode`.

        Raises:
            ConfigError: the mode was not asked, or no pair differs.
        """
        differing = self._differing(mode)
        asked = _ASKED[mode]
        failed = [
            case.failures[what] for case in self.cases for what in asked if what in case.failures
        ]
        compared = [c.said(mode) for c in self.cases if c.comparison] if mode == "pairwise" else []
        right, wrong, unnamed = (sum(case.missed[i] for case in self.cases) for i in range(3))
        judged = mode == "pointwise"
        return Summary(
            pairs=len(differing),
            ties=len(self.cases) - len(differing),
            accuracy=estimate(case.credit(mode) for case in differing),
            with_half_credit=fmean(case.credit(mode, tie=0.5) for case in differing),
            readable=1 - len(failed) / (len(asked) * len(self.cases)),
            failures=dict(Counter(failure.partition(":")[0] for failure in failed)),
            consistent=fmean(a == b for a, b in compared) if compared else None,
            missed_precision=_share(right, wrong) if judged else None,
            missed_recall=_share(right, unnamed) if judged else None,
            missed_f1=_share(2 * right, wrong + unnamed) if judged else None,
        )

    def _differing(self, mode: Mode) -> list[CaseResult]:
        if mode not in self.modes:
            raise ConfigError(f"the critic was not asked {mode}, but {', '.join(self.modes)}")
        differing = [case for case in self.cases if case.better != "tie"]
        if not differing:
            raise ConfigError("an accuracy needs at least one pair that is not a tie by its label")
        return differing


async def evaluate(
    critic: Critic,
    pairs: Sequence[LabelledPair],
    *,
    modes: Sequence[Mode] = ("pointwise", "pairwise"),
    concurrency: int = 16,
    read_missed: ReadMissed | None = None,
) -> Evaluation:
    """Ask a critic about every pair.

    Args:
        critic: connected and closed here.
        pairs: with different ids.
        modes: how to ask.
        concurrency: pairs that are judged at once.
        read_missed: what a critique says is missed of the request, in the words of the labels.

    Raises:
        ConfigError: two pairs have one id, a picture cannot be read, or a comparison is asked of a
            critic that does not compare.
    """
    if len({pair.id for pair in pairs}) < len(pairs):
        raise ConfigError("two pairs to evaluate on have the same id")
    slots = asyncio.Semaphore(concurrency)

    async def judge(pair: LabelledPair) -> CaseResult:
        async with slots:
            return await _judge(critic, pair, modes, read_missed)

    async with connected([critic]):
        cases = await gather(*(judge(pair) for pair in pairs))
    return Evaluation(modes=tuple(modes), cases=tuple(cases))


def difference(first: Evaluation, second: Evaluation, mode: Mode) -> Estimate:
    """How much more often the first critic is right than the second, on the same pairs.

    Pair by pair, so that what makes a pair hard for both cancels out.

    Raises:
        ConfigError: they judged different pairs, or the mode was not asked of both.
    """
    mine, theirs = ({case.id: case for case in e._differing(mode)} for e in (first, second))
    if {id: case.better for id, case in mine.items()} != {
        id: case.better for id, case in theirs.items()
    }:
        raise ConfigError("two critics can only be compared on the same pairs with the same labels")
    return Clusters(len(mine)).difference(
        [case.credit(mode) for case in mine.values()], [theirs[id].credit(mode) for id in mine]
    )


async def _judge(
    critic: Critic, pair: LabelledPair, modes: Sequence[Mode], read_missed: ReadMissed | None
) -> CaseResult:
    source = None if pair.source is None else load_picture(pair.source)
    a, b = load_picture(pair.image_a), load_picture(pair.image_b)
    result = CaseResult(id=pair.id, better=pair.better)
    failures: dict[_Asked, str] = {}
    changes: dict[str, object] = {"failures": failures}
    if "pointwise" in modes:
        request = CritiqueRequest(pair.prompt, a, source)
        one, other = await gather(
            _attempt(critic.critique(request)), _attempt(critic.critique(replace(request, image=b)))
        )
        counts = (0, 0, 0)
        for side, outcome, missed in zip(
            _ASKED["pointwise"], (one, other), (pair.missed_a, pair.missed_b), strict=True
        ):
            if isinstance(outcome, str):
                failures[side] = outcome
                named: Collection[str] = ()
            else:
                changes[side] = outcome
                named = read_missed(outcome) if read_missed else ()
            if read_missed and missed is not None:
                counts = _added(counts, frozenset(named), missed)
        changes["missed"] = counts
    if "pairwise" in modes:
        if not can_compare(critic):
            raise ConfigError(f"a {type(critic).__name__} does not compare: ask it pointwise only")
        compared = await _attempt(critic.compare(ComparisonRequest(pair.prompt, a, b, source)))
        if isinstance(compared, str):
            failures["comparison"] = compared
        else:
            changes["comparison"] = compared
    return result.model_copy(update=changes)


async def _attempt(work: Coroutine[object, object, T]) -> T | str:
    """The answer, or the error as `Type: message`."""
    try:
        return await work
    except CriticError as error:
        return f"{type(error).__name__}: {error}"


def _added(
    counts: tuple[int, int, int], named: frozenset[str], missed: frozenset[str]
) -> tuple[int, int, int]:
    right, wrong, unnamed = counts
    return (right + len(named & missed), wrong + len(named - missed), unnamed + len(missed - named))


def _share(part: int, rest: int) -> float | None:
    return part / (part + rest) if part + rest else None
