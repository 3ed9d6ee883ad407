"""The end of a run: what a person says about it, and a run that goes on all the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from rr_refine.agent.budget import Budget, Spend
from rr_refine.agent.history import Extension, Stop
from rr_refine.agent.policy import Policy
from rr_refine.agent.review import GoOn, recorded_decision
from rr_refine.agent.store.journal import Journal

__all__ = ["asks_at", "ending_key", "extension_of", "next_ending", "rounds_of", "with_budget"]

_CONTENT: Final = ("target", "unjudged")
"""Stopping rules by which a run ends because nobody sees what to mend."""

_ENDING: Final = re.compile(r"r(\d{1,9})\.end-\d{1,9}")


def asks_at(policy: Policy, stop: Stop) -> bool:
    """Whether a run under review asks at this end: where the critic is content.

    A limit of the user's own, a fault and the user's word are not asked about.
    """
    return policy.review and stop.rule in _CONTENT


def ending_key(rounds: int, answered: Sequence[int]) -> str:
    """The journal's key of what is said about an end.

    Args:
        rounds: done by then.
        answered: for each end that was spoken of before, the rounds done by then.
    """
    return f"r{rounds}.end-{answered.count(rounds)}"


def next_ending(journal: Journal, rounds: int) -> str:
    """The key of the next word about the end after so many rounds."""
    keys = [match[1] for key, _ in journal.items("review") if (match := _ENDING.fullmatch(key))]
    return ending_key(rounds, [int(number) for number in keys])


def rounds_of(policy: Policy, journal: Journal) -> int:
    """The most rounds that a run can have, with those that it went on for."""
    most = had = policy.budget.rounds
    for key, value in journal.items("review"):
        if _ENDING.fullmatch(key):
            decision = recorded_decision(value)
            if isinstance(decision, GoOn) and decision.rounds is not None:
                had = decision.rounds
            most += had
    return most


def extension_of(
    policy: Policy, before: Extension | None, done: int, revision: int, rounds: int | None
) -> Extension:
    """That a run goes on: it gets as much as it had, or so many rounds.

    Args:
        policy: of the run so far.
        before: the last time that it went on.
        done: rounds so far.
        revision: of the request so far.
    """
    had = policy.budget if before is None else before.budget
    budget = had if rounds is None else had.model_copy(update={"rounds": rounds})
    return Extension(rounds=done, revision=revision, budget=budget)


def with_budget(policy: Policy, extension: Extension, spend: Spend) -> Policy:
    """The policy from here on: its limits count from now."""
    limits: dict[str, float | None] = {}
    for name, limit in extension.budget:
        used = {"rounds": extension.rounds, "usd": spend.cost.usd}.get(name)
        used = getattr(spend, name) if used is None else used
        limits[name] = None if limit is None else limit + used
    return policy.model_copy(update={"budget": Budget.model_validate(limits)})
