"""An assessment: k critiques of one image, as a mean and a spread per dimension."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Self

from pydantic import Field, model_validator

from rr_refine.reward.critique import Critique
from rr_refine.terms import Dimension, Identity, Record, Task, Usage, dimensions_of, to_reward

__all__ = ["Assessment"]


class Assessment(Record):
    """What the critic thinks of one image, from one or more samples of its judgement."""

    critic: Identity
    critiques: tuple[Critique, ...]
    """At least one; all of the same task."""
    failures: tuple[str, ...] = ()
    """Raw text of samples that could not be read even after a repair; they count in no mean."""
    usage: Usage = Usage()
    unjudged: tuple[str, ...] = Field(default=(), exclude_if=lambda parts: not parts)
    """What it could not judge in this image, beside the words that it does not know."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.critiques:
            raise ValueError("an assessment needs at least one critique")
        if len({c.task for c in self.critiques}) != 1:
            raise ValueError("critiques of different tasks cannot be averaged")
        if all(score is None for score in self.mean.values()):
            raise ValueError("the samples agree on no applicable dimension")
        return self

    @property
    def task(self) -> Task:
        """The task that was judged."""
        return self.critiques[0].task

    @property
    def mean(self) -> dict[Dimension, float | None]:
        """Mean score in [1, 4] per dimension.

        A dimension applies when at least half of the samples scored it; otherwise it is None.
        """
        return {d: fmean(s) if (s := self._samples(d)) else None for d in dimensions_of(self.task)}

    @property
    def spread(self) -> dict[Dimension, float | None]:
        """Sample standard deviation per dimension; None where fewer than two samples scored it."""
        return {
            d: stdev(s) if len(s := self._samples(d)) > 1 else None
            for d in dimensions_of(self.task)
        }

    @property
    def reward(self) -> float:
        """Mean of the applicable dimensions' means, mapped to [0, 1] (paper, Eq. 13)."""
        return to_reward(fmean(m for m in self.mean.values() if m is not None))

    def _samples(self, dimension: Dimension) -> list[float]:
        scored = [s for c in self.critiques if (s := c.scores[dimension]) is not None]
        return scored if 2 * len(scored) >= len(self.critiques) else []
