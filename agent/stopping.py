"""Stopping rules: small pure functions of the history, checked in a fixed order.

Because they look at nothing else, a recorded run can be replayed under another policy without
rendering anything (`rr_refine.agent.replay`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from rr_refine.agent.budget import exhausted
from rr_refine.agent.history import OUT_OF_BUDGET, Candidate, History, Stop, StopRuleName

__all__ = ["RULES", "StopRule", "should_stop"]

StopRule = Callable[["History"], str | None]
"""Looks at the history; returns the reason to stop in words, or None to go on."""


def user(history: History) -> str | None:
    """The user said stop."""
    return history.user_stop


def critic_failed(history: History) -> str | None:
    """There are images in the last round, and none of them could be judged."""
    if not history.rounds:
        return None
    rendered = [c for c in history.rounds[-1] if c.image is not None]
    return None if any(c.scores is not None for c in rendered) else _fault(rendered)


def generator_failed(history: History) -> str | None:
    """No candidate of the last round gave an image."""
    if not history.rounds or any(c.image is not None for c in history.rounds[-1]):
        return None
    return _fault(history.rounds[-1])


def target(history: History) -> str | None:
    """Every applicable dimension of the incumbent reaches the target (paper, section 3.2)."""
    goal, incumbent = history.policy.target, history.incumbent
    if goal is None or incumbent is None or not incumbent.applicable:
        return None
    dimension, lowest = min(incumbent.applicable.items(), key=lambda item: item[1])
    if lowest < goal:
        return None
    return (
        f"every dimension reaches {goal:.1f} (lowest: {dimension.replace('_', ' ')} {lowest:.2f})"
    )


def budget(history: History) -> str | None:
    """A limit of the budget is reached."""
    return exhausted(history.policy.budget, history.spend)


def max_rounds(history: History) -> str | None:
    """The number of rounds is reached."""
    done, limit = len(history.rounds), history.policy.budget.rounds
    return f"{done} of {limit} rounds done" if done >= limit else None


def plateau(history: History) -> str | None:
    """The last rounds brought no new incumbent."""
    patience, rounds = history.policy.patience, history.rounds
    if patience is None or len(rounds) <= patience:
        return None
    recent = [c for r in rounds[-patience:] for c in r]
    if any(c.verdict is not None and c.verdict.accepted for c in recent):
        return None
    return f"no better image in {patience} round{'s' if patience > 1 else ''}"


def repeated_prompt(history: History) -> str | None:
    """The rewriters have no prompt left that is new and keeps to the request."""
    last = history.rewrites[-1] if history.rewrites else None
    if last is None or last.proposal is not None or last.round != len(history.rounds):
        return None
    rejections = last.rejections
    if not rejections:
        return "no rewriter had a new prompt"
    return "no new prompt: " + "; ".join(f"{r.rewriter}: {r.reason}" for r in rejections)


RULES: Final[dict[StopRuleName, StopRule]] = {
    "user": user,
    "critic-failed": critic_failed,
    "generator-failed": generator_failed,
    "target": target,
    "budget": budget,
    "repeated-prompt": repeated_prompt,
    "plateau": plateau,
    "max-rounds": max_rounds,
}
"""In the order in which they are checked; the first that fires is the one in the result."""


def _fault(candidates: Iterable[Candidate]) -> str | None:
    """The first failure that is a fault, in words; running out of budget is none."""
    for candidate in candidates:
        failure = candidate.failure
        if failure is not None and failure.error != OUT_OF_BUDGET:
            return f"{failure.error}: {failure.message}"
    return None


def should_stop(history: History) -> Stop | None:
    """The first rule that fires, with its reason; None to go on."""
    for name, rule in RULES.items():
        reason = rule(history)
        if reason is not None:
            return Stop(rule=name, reason=reason)
    return None
