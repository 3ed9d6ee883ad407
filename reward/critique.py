"""A critique: what one answer of the critic says, dimension by dimension."""

from __future__ import annotations

from statistics import fmean
from typing import Self

from pydantic import model_validator

from rr_refine.terms import (
    SCORE_MAX,
    SCORE_MIN,
    Dimension,
    Record,
    Task,
    dimensions_of,
    to_reward,
)

__all__ = ["Critique"]


class Critique(Record):
    """One readable answer of the critic."""

    task: Task
    scores: dict[Dimension, float | None]
    """Every dimension of the task: a float in [1, 4], or None where the critic said N/A."""
    rationales: dict[Dimension, str | None]
    """Why, in the critic's words, for the same dimensions; None where it gave no reason."""
    summary: str = ""
    refinement_comments: str | None = None
    refined_request: str | None = None
    """The prompt that the critic proposes, or None when it proposes none."""
    parts: dict[str, float] = {}
    """Of a reward that is made of others: these, by name, in [0, 1]."""
    raw: str
    """The answer as it came; every number above can be found in it."""
    guided: bool = False
    """The critic's own words left the form of answers, and it was held to that form
    (`critic.guided`)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        expected = set(dimensions_of(self.task))
        for name, keys in (("scores", set(self.scores)), ("rationales", set(self.rationales))):
            if keys != expected:
                raise ValueError(f"{name} of a {self.task} critique must cover {sorted(expected)}")
        for dimension, score in self.scores.items():
            if score is not None and not SCORE_MIN <= score <= SCORE_MAX:
                raise ValueError(f"{dimension} = {score} is outside [{SCORE_MIN}, {SCORE_MAX}]")
        if all(score is None for score in self.scores.values()):
            raise ValueError("no dimension is applicable, so there is nothing to judge by")
        return self

    @property
    def reward(self) -> float:
        """Mean of the applicable scores, mapped to [0, 1] (paper, Eq. 13)."""
        return to_reward(fmean(s for s in self.scores.values() if s is not None))
