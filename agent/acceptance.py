"""Acceptance: does a challenger replace the incumbent? Pure functions of two scorecards.

The guarantee (invariant 1): along a run with `acceptance="better"`, the incumbent's mean score
never falls, and no guarded dimension falls by more than the noise below the best value that any
accepted image had. A policy of your own gives its own guarantees. Name it by an entry point of the
group `rr_refine.acceptance`, or by a dotted path (`my_pkg.mod:MyAcceptance`) to something that
gives an `Acceptance` when it is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from statistics import fmean
from typing import Final, Protocol, cast

from rr_refine.agent.components import make_part
from rr_refine.agent.history import Candidate, Verdict, VerdictRule, failure_words
from rr_refine.agent.measured import lost_words
from rr_refine.agent.policy import Policy
from rr_refine.boundary import boundary
from rr_refine.errors import RuleError
from rr_refine.reward.comparison import Comparison
from rr_refine.terms import SCORE_MIN, Dimension

__all__ = [
    "Acceptance",
    "Challenge",
    "NearTie",
    "Weighed",
    "acceptance_of",
    "floor_of",
    "weigh",
    "weigh_round",
]

_EPSILON = 1e-9  # two means that differ by rounding are equal
_ACCEPTING: Final = ("win", "always")
_REFUSING: Final = ("tie", "guard", "worse")


@dataclass(frozen=True, slots=True)
class Challenge:
    """Two judged images of different pixels."""

    challenger: Candidate
    incumbent: Candidate
    floor: Mapping[Dimension, float]
    """Best score per dimension among the images accepted so far, see `floor_of`."""
    policy: Policy
    critic_floor: float = SCORE_MIN
    """Best mean by the critic's own scores among the images accepted so far."""

    @property
    def means(self) -> str:
        """Both means, in words."""
        return f"mean {self.incumbent.mean:.2f} -> {self.challenger.mean:.2f}"


class Acceptance(Protocol):
    """Decides whether a challenger replaces the incumbent."""

    def weigh(self, challenge: Challenge) -> Verdict:
        """The verdict on the challenger, its reason in words.

        The same challenge must give the same verdict: recorded runs are replayed. Accept by the
        rule `win` or `always`; refuse by `worse`, `guard` or `tie`. After a tie the critic compares
        the two side by side, where `policy.pairwise` is set. `Verdict.against` is filled in.
        """
        ...


def weigh(
    challenger: Candidate,
    incumbent: Candidate | None,
    floor: Mapping[Dimension, float],
    policy: Policy,
    critic_floor: float = SCORE_MIN,
) -> Verdict:
    """Judge a challenger by its scores alone.

    Args:
        floor: best score per dimension among the images accepted so far, see `floor_of`.
        critic_floor: see `Challenge`.

    Returns:
        The verdict. Rule `tie` means that the scores do not decide.

    Raises:
        RuleError: the acceptance policy failed; the message names it.
        ConfigError: there is no such acceptance policy.
    """
    against = None if incumbent is None else incumbent.id
    if challenger.failure is not None or challenger.mean is None:
        failure = challenger.failure
        words = failure_words(failure.error, failure.message) if failure else "it was not judged"
        return _refuse("failed", words, against)
    if incumbent is None or incumbent.mean is None:
        revised = f" under revision {challenger.revision}" if challenger.revision > 1 else ""
        return _accept("first", f"the first judged image{revised}", against)
    if challenger.image is not None and challenger.image == incumbent.image:
        return _refuse("same", "it is the very picture of the incumbent", against)
    what = f"the acceptance policy {policy.acceptance!r}"
    acceptance = acceptance_of(policy.acceptance)
    with boundary(RuleError, what):
        challenge = Challenge(challenger, incumbent, floor, policy, critic_floor)
        verdict: object = acceptance.weigh(challenge)
    if not isinstance(verdict, Verdict):
        raise RuleError(f"{what} answered {verdict!r}, which is no Verdict")
    if verdict.rule not in (_ACCEPTING if verdict.accepted else _REFUSING):
        raise RuleError(
            f"{what} answered accepted={verdict.accepted} by the rule {verdict.rule!r}; it may "
            f"accept by {', '.join(_ACCEPTING)} and refuse by {', '.join(_REFUSING)}"
        )
    return verdict.model_copy(update={"against": incumbent.id})


class Better:
    """A challenger must win beyond margin and noise, and no guarded dimension may fall."""

    def weigh(self, challenge: Challenge) -> Verdict:
        """See `Acceptance`."""
        if fallen := _fallen(challenge) or lost_words(challenge.challenger, challenge.incumbent):
            return _refuse("guard", fallen)
        if challenge.challenger.guided and not challenge.incumbent.guided:
            return _refuse("guard", "the critic was led to its verdict (critic.guided)")
        if worse := _worse_by_the_critic(challenge):
            return _refuse("worse", worse)
        means, gain = challenge.means, _gain(challenge)
        need = challenge.policy.margin + _noise_of_gain(challenge)
        if gain < -_EPSILON:
            return _refuse("worse", f"{means}, {gain:+.2f} like for like")
        if gain > need + _EPSILON:
            return _accept("win", f"{means}, more than the {need:.2f} needed")
        return _refuse("tie", f"{means}, within the {need:.2f} needed")


class Highest:
    """The highest mean is enough."""

    def weigh(self, challenge: Challenge) -> Verdict:
        """See `Acceptance`."""
        challenger, incumbent = challenge.challenger.mean, challenge.incumbent.mean
        assert challenger is not None and incumbent is not None
        if challenger > incumbent + _EPSILON:
            return _accept("win", challenge.means)
        return _refuse("worse", f"{challenge.means}, not higher")


class Always:
    """The newest judged image is taken as it is."""

    def weigh(self, challenge: Challenge) -> Verdict:  # noqa: ARG002
        """See `Acceptance`."""
        return _accept("always", "the newest image is taken as it is")


@cache
def acceptance_of(name: str) -> Acceptance:
    """The acceptance policy of that name.

    Raises:
        ConfigError: there is none, or what is named makes none.
    """
    return cast("Acceptance", make_part("acceptance", name))


@dataclass(frozen=True, slots=True)
class NearTie:
    """A near tie: `weigh_round` needs to know how these two compare side by side."""

    incumbent: Candidate
    challenger: Candidate

    @property
    def pair(self) -> tuple[str, str]:
        """Their ids, as a key of `settled`."""
        return self.incumbent.id, self.challenger.id


@dataclass(frozen=True, slots=True)
class Weighed:
    """A round with its verdicts."""

    candidates: tuple[Candidate, ...]
    """In the order in which they were weighed."""
    incumbent: Candidate | None


def weigh_round(
    challengers: Sequence[Candidate],
    before: Sequence[Candidate],
    incumbent: Candidate | None,
    policy: Policy,
    settled: Mapping[tuple[str, str], Comparison | str],
) -> Weighed | NearTie:
    """Weigh the candidates of one round, one after the other.

    The first try of the run goes first, since it is what one shot gives; then the best.

    Args:
        before: the candidates of earlier rounds.
        settled: comparisons made so far by (incumbent, challenger) id, or why there is none.

    Returns:
        The verdicts, or the near tie that must be settled before it can be called again.
    """
    judged: list[Candidate] = []
    for challenger in sorted(
        challengers, key=lambda c: (c.id != "r0c0", -(c.mean or 0.0), c.index)
    ):
        line = _line(incumbent, [*before, *judged])
        critic_floor = max((c.mean_said or SCORE_MIN for c in line), default=SCORE_MIN)
        verdict = weigh(challenger, incumbent, _floor(line), policy, critic_floor)
        if verdict.rule == "tie" and policy.pairwise and incumbent is not None:
            question = NearTie(incumbent, challenger)
            if question.pair not in settled:
                return question
            verdict = _settle(verdict, settled[question.pair])
        judged.append(challenger.model_copy(update={"verdict": verdict}))
        if verdict.accepted:
            incumbent = judged[-1]
    return Weighed(tuple(judged), incumbent)


def _settle(verdict: Verdict, comparison: Comparison | str) -> Verdict:
    """Settle a near tie. The incumbent is A, the challenger B.

    A challenger must win in both orders; anything else leaves the incumbent.
    """
    if isinstance(comparison, str):
        return verdict.model_copy(update={"reason": f"{verdict.reason}; {comparison}"})
    if comparison.winner == "b":
        return Verdict(
            accepted=True,
            rule="pairwise",
            reason=f"{verdict.reason}; preferred side by side in both orders",
            against=verdict.against,
        )
    seen = "the incumbent is preferred" if comparison.winner == "a" else "no winner in both orders"
    return verdict.model_copy(update={"reason": f"{verdict.reason}; side by side: {seen}"})


def floor_of(
    incumbent: Candidate | None, candidates: Sequence[Candidate]
) -> dict[Dimension, float]:
    """Best score per dimension along the incumbent's line of accepted predecessors.

    The line starts at the first accepted image, or anew at one that a human picked, and at the one
    that was the best when the request was revised.
    """
    return _floor(_line(incumbent, candidates))


def _line(incumbent: Candidate | None, candidates: Sequence[Candidate]) -> list[Candidate]:
    by_id = {c.id: c for c in candidates}
    line: list[Candidate] = []
    while incumbent is not None:
        line.append(incumbent)
        verdict = incumbent.verdict
        if verdict is None or verdict.rule == "picked" or verdict.against is None:
            break
        before = by_id.get(verdict.against)
        # Scores of two revisions are not compared.
        incumbent = before if before and before.revision == incumbent.revision else None
    return line


def _floor(line: Iterable[Candidate]) -> dict[Dimension, float]:
    floor: dict[Dimension, float] = {}
    for candidate in line:
        for dimension, score in candidate.applicable.items():
            floor[dimension] = max(score, floor.get(dimension, score))
    return floor


def _fallen(challenge: Challenge) -> str | None:
    """The first guarded dimension that fell, in words."""
    challenger, incumbent = challenge.challenger, challenge.incumbent
    for dimension in challenge.policy.guard:
        if dimension not in incumbent.applicable or _measured_right(challenger, dimension):
            continue
        best = max(incumbent.applicable[dimension], challenge.floor.get(dimension, 0.0))
        score = challenger.applicable.get(dimension)
        name = dimension.replace("_", " ")
        if score is None:
            return f"{name} was {best:.2f} and is now N/A, so it cannot be shown not to have fallen"
        errors = [_error(c, dimension, challenge.policy) for c in (challenger, incumbent)]
        if best - score > sqrt(sum(error**2 for error in errors)) + _EPSILON:
            return f"{name} fell from {best:.2f} to {score:.2f}"
    return None


def _measured_right(candidate: Candidate, dimension: Dimension) -> bool:
    """Whether all of it that was asked for is there by measurement, whatever the critic feels."""
    found = [one for one in candidate.findings if one.dimension == dimension and one.expected]
    return bool(found) and all(one.kind == "right" for one in found)


def _worse_by_the_critic(challenge: Challenge) -> str | None:
    """Whether only a measurement speaks for the challenger, and the critic clearly against it.

    A measurement may be wrong. By the critic's own scores, too, no image may be worse than the
    best accepted one by more than the noise.
    """
    challenger, incumbent = challenge.challenger, challenge.incumbent
    if challenger.said is None and incumbent.said is None:
        return None
    before, now = challenge.critic_floor, challenger.mean_said
    if now is None or now >= before - _noise_of_gain(challenge) - _EPSILON:
        return None
    return f"the critic's own mean fell from {before:.2f} to {now:.2f}"


def _gain(challenge: Challenge) -> float:
    """Like for like and overall, whichever is less: N/A on one side can hide no loss."""
    challenger, incumbent = challenge.challenger, challenge.incumbent
    assert challenger.mean is not None and incumbent.mean is not None
    common = [d for d in incumbent.applicable if d in challenger.applicable]
    overall = challenger.mean - incumbent.mean
    if not common:
        return min(overall, 0.0)
    alike = fmean(challenger.applicable[d] - incumbent.applicable[d] for d in common)
    return min(alike, overall)


def _noise_of_gain(challenge: Challenge) -> float:
    """Standard error of the difference of the two means (independent dimensions)."""

    def variance(candidate: Candidate) -> float:
        errors = [_error(candidate, d, challenge.policy) for d in candidate.applicable]
        return sum(e**2 for e in errors) / len(errors) ** 2

    return sqrt(variance(challenge.challenger) + variance(challenge.incumbent))


def _error(candidate: Candidate, dimension: Dimension, policy: Policy) -> float:
    return candidate.errors.get(dimension, policy.noise) if policy.noise else 0.0


def _accept(rule: VerdictRule, reason: str, against: str | None = None) -> Verdict:
    return Verdict(accepted=True, rule=rule, reason=reason, against=against)


def _refuse(rule: VerdictRule, reason: str, against: str | None = None) -> Verdict:
    return Verdict(accepted=False, rule=rule, reason=reason, against=against)
