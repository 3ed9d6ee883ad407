"""Stopping rules: small pure functions of the history, asked in a fixed order.

Because they look at nothing else, a recorded run can be replayed under another policy without
rendering anything (`rr_refine.agent.replay`). Rules of your own come after the built-in ones, in
the order of `Policy.stop_rules`: entry points of the group `rr_refine.stop_rules`, or dotted paths
(`my_pkg.mod:MyRule`) to something that gives a `StopRule` when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Final, Protocol, cast

from rr_refine.agent.budget import exhausted
from rr_refine.agent.components import make_part
from rr_refine.agent.history import (
    OUT_OF_BUDGET,
    Candidate,
    History,
    Rejection,
    Stop,
    failure_words,
)
from rr_refine.agent.routing import drawn_wrong
from rr_refine.boundary import boundary
from rr_refine.errors import RuleError

__all__ = ["RULES", "StopRule", "should_stop", "stop_rule"]


class StopRule(Protocol):
    """Says when a run is over."""

    def check(self, history: History) -> Stop | None:
        """The stop, with the name of this rule and the reason in words; None to go on.

        It is asked after each round, and again when a run is resumed or replayed: the same history
        must give the same answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class _BuiltIn:
    name: str
    reason: Callable[[History], str | None]

    def check(self, history: History) -> Stop | None:
        reason = self.reason(history)
        return None if reason is None else Stop(rule=self.name, reason=reason)


def _built_in(reason: Callable[[History], str | None]) -> Callable[[], _BuiltIn]:
    """What an entry point names: it makes the rule, which is called after its function."""
    return partial(_BuiltIn, reason.__name__.replace("_", "-"), reason)


@_built_in
def user(history: History) -> str | None:
    """The user said stop."""
    return history.user_stop


@_built_in
def critic_failed(history: History) -> str | None:
    """There are images in the last round, and none of them could be judged.

    An answer that is no critique leaves its picture unjudged, and the run goes on while a rewriter
    has a prompt without it; twice in a row ends it.
    """
    *before, last = history.rounds or ((),)
    if not history.rounds_now and history.incumbent:  # the last to be judged, after a remark
        before, last = [], (history.incumbent,)
    fault = _unjudged(last)
    if fault is None or (
        _is_answered(last) and (_is_outside(history) or not _ends(history, before))
    ):
        return None
    return fault


@_built_in
def generator_failed(history: History) -> str | None:
    """No candidate of the last round gave an image."""
    if not history.rounds or any(c.image is not None for c in history.rounds[-1]):
        return None
    return _fault(history.rounds[-1])


@_built_in
def target(history: History) -> str | None:
    """Every applicable dimension of the incumbent reaches the target (paper, section 3.2), and
    nothing that was asked for is left unjudged, or measurably missing.

    Not where the critic lost the form of its answer: no run ends on a verdict that it was led to.
    """
    reached = _reached(history)
    return None if history.incumbent is None or history.incumbent.unjudged else reached


@_built_in
def unjudged(history: History) -> str | None:
    """The target is reached as far as anybody could judge, or nothing could be judged at all: more
    rounds would show no more.
    """
    if _is_outside(history):
        parts = history.candidates[-1].outside
        know = "know" if " and " in parts else "knows"
        return f"the {parts} {know} no such thing, and more rounds would show no more"
    reached = _reached(history)
    if reached is None or history.incumbent is None or not history.incumbent.unjudged:
        return None
    return "; ".join((reached, *history.incumbent.open_points))


def _reached(history: History) -> str | None:
    goal, incumbent = history.policy.target, history.incumbent
    if goal is None or incumbent is None or not incumbent.applicable:
        return None
    if incumbent.guided or incumbent.misses or history.looks_for_another:
        return None
    if not history.rounds_now:
        return None  # who says what is wrong wants to see another picture
    dimension, lowest = min(incumbent.applicable.items(), key=lambda item: item[1])
    if lowest < goal:
        return None
    return (
        f"every dimension reaches {goal:.1f} (lowest: {dimension.replace('_', ' ')} {lowest:.2f})"
    )


@_built_in
def budget(history: History) -> str | None:
    """A limit of the budget is reached."""
    return exhausted(history.policy.budget, history.spend)


@_built_in
def max_rounds(history: History) -> str | None:
    """The number of rounds is reached."""
    done, limit = len(history.rounds), history.policy.budget.rounds
    return f"{done} of {limit} rounds done" if done >= limit else None


@_built_in
def plateau(history: History) -> str | None:
    """The last rounds brought no new incumbent, under the request as it is now. One whose words
    were drawn wrong is no try of its prompt, and does not count.
    """
    patience = history.policy.patience
    rounds = [r for r in history.rounds_now if not any(drawn_wrong(c, history) for c in r)]
    # The first round is what the others have to beat; after a remark, the best one before it is.
    has_first = history.revision == 1 and history.extension is None
    if patience is None or len(rounds) < patience + has_first:
        return None
    recent = [c for r in rounds[-patience:] for c in r]
    if any(c.verdict is not None and c.verdict.accepted for c in recent):
        return None
    return f"no better image in {patience} round{'s' if patience > 1 else ''}"


@_built_in
def rewriter_failed(history: History) -> str | None:
    """No rewriter gave an answer: each of them raised, or cannot be reached."""
    rejections = _without_prompt(history)
    if not rejections or not all(rejection.failed for rejection in rejections):
        return None
    return "; ".join(f"{r.rewriter}: {r.reason}" for r in rejections)


@_built_in
def repeated_prompt(history: History) -> str | None:
    """The rewriters have no prompt left that is new and keeps to the request."""
    rejections = _without_prompt(history)
    if rejections is None:
        return None
    if not rejections:
        return "no rewriter had a new prompt"
    return "no new prompt: " + "; ".join(f"{r.rewriter}: {r.reason}" for r in rejections)


def _without_prompt(history: History) -> tuple[Rejection, ...] | None:
    """What came of the rewriters when they were last asked; None where they gave a prompt."""
    last = history.rewrites[-1] if history.rewrites else None
    if last is None or last.proposal is not None or last.round != len(history.rounds):
        return None
    return last.rejections


def _unjudged(candidates: Iterable[Candidate]) -> str | None:
    """Why none of the images of a round was judged; None where one was, or there is none."""
    rendered = [c for c in candidates if c.image is not None]
    return None if any(c.scores is not None for c in rendered) else _fault(rendered)


def _is_outside(history: History) -> bool:
    """Whether the last round was of a request that generator or critic do not understand at all,
    and the policy makes one picture of it.
    """
    *_, last = history.candidates or (None,)
    return history.policy.outside == "one-picture" and last is not None and bool(last.outside)


def _is_answered(candidates: Iterable[Candidate]) -> bool:
    """Whether the critic answered about every image of a round."""
    failures = [c.failure for c in candidates if c.image is not None]
    return all(failure is not None and failure.raw is not None for failure in failures)


def _ends(history: History, before: Sequence[Sequence[Candidate]]) -> bool:
    """Whether a run whose last round is unjudged has an end: the round before was, too, or another
    rule fires.
    """
    others = (budget(), repeated_prompt(), plateau(), max_rounds())
    unjudged = bool(before) and _unjudged(before[-1]) is not None
    return unjudged or any(rule.check(history) for rule in others)


def _fault(candidates: Iterable[Candidate]) -> str | None:
    """The first failure that is a fault, in words; running out of budget is none."""
    for candidate in candidates:
        failure = candidate.failure
        if failure is not None and failure.error != OUT_OF_BUDGET:
            return failure_words(failure.error, failure.message)
    return None


_IN_ORDER = (
    *(user(), critic_failed(), generator_failed(), target(), unjudged()),
    *(budget(), rewriter_failed(), repeated_prompt(), plateau(), max_rounds()),
)
RULES: Final[dict[str, StopRule]] = {rule.name: rule for rule in _IN_ORDER}
"""The built-in rules, in the order in which they are asked; the first that fires ends the run."""


def should_stop(history: History) -> Stop | None:
    """What the first rule that fires says; None to go on.

    Raises:
        RuleError: a rule of the policy's own failed; the message names it.
        ConfigError: there is no such rule.
    """
    for rule in RULES.values():
        if stop := rule.check(history):
            return stop
    for name in history.policy.stop_rules:
        rule = stop_rule(name)
        what = f"the stopping rule {name!r}"
        with boundary(RuleError, what):
            answer: object = rule.check(history)
        if answer is None:
            continue
        if not isinstance(answer, Stop):
            raise RuleError(f"{what} answered {answer!r}, which is neither a Stop nor None")
        if answer.rule in RULES and not isinstance(rule, _BuiltIn):
            raise RuleError(f"{what} calls itself {answer.rule!r}, the name of a built-in rule")
        return answer
    return None


@cache
def stop_rule(name: str) -> StopRule:
    """The stopping rule of that name.

    Raises:
        ConfigError: there is none, or what is named makes none.
    """
    return cast("StopRule", make_part("stop_rules", name))
