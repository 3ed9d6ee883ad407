"""Where a run is: the stage of each candidate, what is left of the budget and of the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from rr_refine.agent.budget import Cost, Spend, dollars
from rr_refine.agent.events import (
    CriticFailed,
    Decided,
    Event,
    Judged,
    Rendered,
    RenderFailed,
    ReviewRequested,
    RoundStarted,
    StepDone,
)
from rr_refine.agent.policy import Policy

__all__ = ["Stage", "Status"]


@dataclass(slots=True)
class Stage:
    """What happens to a candidate now."""

    name: Literal["rendering", "judging", "weighing"]
    since: float
    """On the status's clock."""
    step: int = 0
    steps: int = 0
    """0 where the generator reports no steps."""
    preview: str | None = None
    """What there is of the picture so far, as a `data:` URL."""


@dataclass(slots=True)
class Status:
    """Follows the events of a run.

    Args:
        clock: seconds that only go forward.
    """

    policy: Policy
    clock: Callable[[], float] = time.monotonic
    round: int = 0
    rounds: int = 0
    """The most there can be; 0 before the first: a run that goes on may have come far."""
    stages: dict[str, Stage] = field(default_factory=dict)
    """By candidate: those of this round that are not weighed yet."""
    best: str | None = None
    """Id of the incumbent."""
    means: dict[str, float] = field(default_factory=dict)
    """Mean score by candidate, 1 to 4."""
    cost: Cost = field(default_factory=Cost)
    """What the run has paid so far."""
    _spend: Spend = field(default_factory=Spend)
    _start: float = field(init=False)
    _paused: float | None = None
    _laps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._start = self.clock()

    def follow(self, event: Event) -> None:
        """Take an event in."""
        now = self.clock()
        if self._paused is not None:
            self._start += now - self._paused
            self._paused = None
        self.cost = event.cost or self.cost
        match event:
            case RoundStarted():
                if self._spend.images:
                    self._laps.append(event.spend.seconds - self._spend.seconds)
                # What was shown stays: a run's own clock starts later, when its parts are there.
                ahead = max(0.0, self.seconds - event.spend.seconds)
                self.round, self.rounds = event.round, event.rounds
                self._spend, self._start = event.spend, now - ahead
                if event.budget is not None:
                    self.policy = self.policy.model_copy(update={"budget": event.budget})
                names = (f"r{event.round}c{index}" for index in range(event.candidates))
                self.stages = {name: Stage("rendering", now) for name in names}
            case StepDone():
                stage = self.stages.get(event.candidate)
                if stage is not None:
                    stage.step, stage.steps = event.step, event.steps
                    stage.preview = event.preview or stage.preview
            case Rendered():
                self._spend += Spend(images=1)
                self.stages[event.candidate] = Stage("judging", now)
            case Judged():
                self._spend += Spend(critic_calls=event.samples)
                scores = [s for s in event.scores.values() if s is not None]
                self.means[event.candidate] = fmean(scores)
                if not event.again:  # or else it stays the best
                    self.stages[event.candidate] = Stage("weighing", now)
            case RenderFailed() | CriticFailed():
                self.stages.pop(event.candidate, None)
                self.means.pop(event.candidate, None)  # of before a remark
            case Decided():
                self.stages.pop(event.candidate, None)
                if event.verdict.accepted:
                    self.best = event.candidate
            case ReviewRequested(request=question):
                self.round = question.round
                self.means |= {c.id: c.mean for c in question.candidates if c.mean is not None}
                self.best = question.incumbent.id if question.incumbent else None
                self.stages = {}
                self._paused = now
            case _:
                return

    @property
    def seconds(self) -> float:
        """What the run has taken so far, without pauses."""
        return self._spend.seconds + self._lap

    @property
    def seconds_left(self) -> float | None:
        """What it may still take at most: as long as the rounds so far, within the budget.

        None where nothing is known yet.
        """
        limits: list[float] = []
        rounds = self.rounds - self.round
        if self._laps:
            limits.append(fmean(self._laps) * rounds - self._lap)
        if self.policy.budget.seconds is not None:
            limits.append(self.policy.budget.seconds - self.seconds)
        return max(0.0, min(limits)) if limits else None

    @property
    def budget_left(self) -> list[str]:
        """What was paid, and what is left of each limit that was set, in words; rounds and seconds
        aside.
        """
        budget = self.policy.budget
        paid = [f"{self.cost} spent"] if str(self.cost) else []
        if budget.usd is not None:
            paid.append(f"{dollars(max(0.0, budget.usd - self.cost.usd))} left")
        return [
            *paid,
            *(
                f"{max(0, limit - used):,} {noun} left"
                for noun, limit, used in (
                    ("images", budget.images, self._spend.images),
                    ("critic calls", budget.critic_calls, self._spend.critic_calls),
                    ("tokens", budget.tokens, self._spend.tokens),
                )
                if limit is not None
            ),
        ]

    @property
    def _lap(self) -> float:
        """Seconds of this round so far."""
        return (self.clock() if self._paused is None else self._paused) - self._start
