"""Budgets: what a run may spend, what it has spent, and what is left."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from pydantic import Field

from rr_refine.errors import OverBudgetError, RefineError
from rr_refine.plain_text import dollars_set
from rr_refine.terms import Given, Record, Usage

__all__ = [
    "MAX_COUNT",
    "Budget",
    "Cost",
    "Spend",
    "dollars",
    "exhausted",
    "left",
    "limit_in_words",
    "limits_in_words",
    "limits_of",
    "may_cost",
    "within",
]

MAX_COUNT: Final = 10**18
"""Most of anything that is counted: no limit at all, but a number that can be stored."""
_DIGITS: Final = 9
"""Of sums in US dollars."""


class Budget(Given):
    """Upper limits. None is no limit."""

    rounds: int = Field(default=4, ge=1, le=MAX_COUNT)
    """Rounds of rendering, the first one included."""
    images: int | None = Field(default=None, ge=1, le=MAX_COUNT)
    """Images rendered."""
    critic_calls: int | None = Field(default=None, ge=1, le=MAX_COUNT)
    """Answers asked of the critic: samples, repairs and both orders of a comparison."""
    tokens: int | None = Field(default=None, ge=1, le=MAX_COUNT)
    """Prompt and completion tokens of critic and rewriters together."""
    seconds: float | None = Field(default=None, gt=0)
    """Wall time of the run's own work; a pause for review does not count."""
    usd: float | None = Field(default=None, gt=0, exclude_if=lambda limit: limit is None)
    """US dollars for the services that are asked, by the prices in their options. No request is
    sent that could pass it."""


class Cost(Record):
    """What services take for their work. Add two with `+`."""

    usd: float = 0.0
    """US dollars."""
    assumed_usd: float = 0.0
    """Of these, what nobody told: the most that it can have been is taken."""
    unpriced: int = 0
    """Requests of which no price is known; they are in none of the sums."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            usd=round(self.usd + other.usd, _DIGITS),
            assumed_usd=round(self.assumed_usd + other.assumed_usd, _DIGITS),
            unpriced=self.unpriced + other.unpriced,
        )

    def __sub__(self, other: Cost) -> Cost:
        return Cost(
            usd=round(self.usd - other.usd, _DIGITS),
            assumed_usd=round(self.assumed_usd - other.assumed_usd, _DIGITS),
            unpriced=self.unpriced - other.unpriced,
        )

    def __str__(self) -> str:
        """For people; empty where there was nothing to pay."""
        parts = []
        if self.usd or not self.unpriced:
            most = "at most " if self.assumed_usd else ""
            parts.append(f"{most}{dollars(self.usd)}")
        if self.unpriced:
            parts.append(f"{self.unpriced} request{'s' * (self.unpriced > 1)} of unknown price")
        return " and ".join(parts) if self != Cost() else ""


_FREE: Final = Cost()


class Spend(Record):
    """What a run has used so far. Add two with `+`."""

    images: int = 0
    critic_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    assumed_tokens: int = 0
    """Of these, what no server counted: the most that it can have been is taken."""
    seconds: float = 0.0
    cost: Cost = Field(default=_FREE, exclude_if=lambda cost: cost == _FREE)
    refused_usd: float = Field(default=0.0, exclude_if=lambda usd: not usd)
    """The most that a request would have cost that the budget did not allow."""

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Spend) -> Spend:
        return Spend(
            images=self.images + other.images,
            critic_calls=self.critic_calls + other.critic_calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            assumed_tokens=self.assumed_tokens + other.assumed_tokens,
            seconds=self.seconds + other.seconds,
            cost=self.cost + other.cost,
            refused_usd=other.refused_usd or self.refused_usd,
        )

    @classmethod
    def of_critic(cls, usage: Usage) -> Spend:
        """What a call of the critic cost."""
        return cls(
            critic_calls=usage.calls,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            assumed_tokens=usage.assumed_tokens,
        )

    @classmethod
    def of_failure(cls, error: RefineError, *, calls: int = 1) -> Spend:
        """What a call of the critic cost that failed.

        Args:
            calls: how many it was, where the error does not tell.
        """
        if error.usage is None:
            return Spend(critic_calls=0 if isinstance(error, OverBudgetError) else calls)
        return cls.of_critic(error.usage)

    @classmethod
    def of_rewriter(cls, usage: Usage) -> Spend:
        """What a call of a rewriter cost: tokens, but no critic calls."""
        return cls.of_critic(usage).model_copy(update={"critic_calls": 0})


def exhausted(budget: Budget, spend: Spend) -> str | None:
    """The first limit that another round would start beyond, in words; None if none.

    Rounds are the business of the stopping rule `max-rounds`.
    """
    for noun, limit, used in (
        ("images", budget.images, spend.images),
        ("critic calls", budget.critic_calls, spend.critic_calls),
        ("tokens", budget.tokens, spend.tokens),
        ("seconds", budget.seconds, spend.seconds),
    ):
        if limit is not None and used >= limit:
            return f"{round(used, 2):,} of {round(limit, 2):,} {noun} used"
    usd = spend.cost.usd
    if budget.usd is not None and not may_cost(budget.usd, usd + spend.refused_usd):
        next_one = f", and the next request may cost up to {dollars(spend.refused_usd)}"
        spent = f"{dollars(usd)} of {dollars_set(budget.usd)} spent"
        return spent + next_one if spend.refused_usd else spent
    return None


def limits_of(budget: Budget) -> dict[str, float]:
    """The limits that are set, by name; those of the rounds belong to a preset and are left out."""
    return budget.model_dump(exclude={"rounds"}, exclude_none=True)


def limits_in_words(budget: Budget) -> str:
    """The same for people; empty where none is set."""
    limits = limits_of(budget)
    first = sorted(limits, key=lambda name: name != "usd")
    return " and ".join(limit_in_words(name, limits[name]) for name in first)


def limit_in_words(name: str, limit: float) -> str:
    """One limit, such as "3,000 critic calls" or "$0.50"."""
    return dollars_set(limit) if name == "usd" else f"{limit:,.15g} {name.replace('_', ' ')}"


def within(budget: Budget, limits: Mapping[str, float]) -> Budget:
    """The budget with each of these limits, by name, that is lower than its own."""
    lower = {
        name: limit
        for name, limit in limits.items()
        if (own := getattr(budget, name)) is None or limit < own
    }
    return budget.model_copy(update=lower)


def may_cost(limit: float, usd: float) -> bool:
    """Whether so many US dollars are within a limit."""
    return round(usd, _DIGITS) <= limit


def dollars(usd: float) -> str:
    """A sum in US dollars, for people."""
    return f"${usd:.{6 if 0 < usd < 0.001 else 4}f}"


def left(limit: float | None, used: float) -> float:
    """What is left of one limit; infinite without one, never negative."""
    return math.inf if limit is None else max(0.0, limit - used)
