"""Budgets: what a run may spend, what it has spent, and what is left."""

from __future__ import annotations

import math

from pydantic import Field

from rr_refine.errors import RefineError
from rr_refine.terms import Record, Usage

__all__ = ["Budget", "Spend", "exhausted", "left"]


class Budget(Record):
    """Upper limits. None is no limit."""

    rounds: int = Field(default=4, ge=1)
    """Rounds of rendering, the first one included."""
    images: int | None = Field(default=None, ge=1)
    """Images rendered."""
    critic_calls: int | None = Field(default=None, ge=1)
    """Answers asked of the critic: samples, repairs and both orders of a comparison."""
    tokens: int | None = Field(default=None, ge=1)
    """Prompt and completion tokens of critic and rewriters together."""
    seconds: float | None = Field(default=None, gt=0)
    """Wall time of the run's own work; a pause for review does not count."""


class Spend(Record):
    """What a run has used so far. Add two with `+`."""

    images: int = 0
    critic_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    assumed_tokens: int = 0
    """Of these, what no server counted: the most that it can have been is taken."""
    seconds: float = 0.0

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
        return Spend(critic_calls=calls) if error.usage is None else cls.of_critic(error.usage)

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
    return None


def left(limit: float | None, used: float) -> float:
    """What is left of one limit; infinite without one, never negative."""
    return math.inf if limit is None else max(0.0, limit - used)
