"""A trial: what one arm made of one item, graded, for every number of renders it might have had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rr_refine.agent.replay import replay
from rr_refine.benchmarks.item import Mark
from rr_refine.terms import SCORE_MIN, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from rr_refine.agent.history import Candidate
    from rr_refine.agent.policy import Policy
    from rr_refine.agent.run import Run
    from rr_refine.benchmarks.arms import Arm
    from rr_refine.benchmarks.item import Item

__all__ = ["Point", "Shot", "Trial", "read_trial"]


class Shot(Record):
    """A picture and what is thought of it."""

    candidate: str
    """Id in the run: `r1c0`."""
    image: str
    """Digest; the file is in the run folder."""
    reward: float | None
    """The critic's, 0 to 1; None where it could not judge."""
    mark: Mark


class Point(Record):
    """What the loop would have returned with so many renders."""

    spent: int
    """Renders used: fewer than allowed where the loop stopped before, or some failed."""
    shot: Shot | None
    """None where there was no picture."""

    @property
    def exact(self) -> bool:
        """No picture is not exact."""
        return self.shot is not None and self.shot.mark.exact

    @property
    def score(self) -> float:
        """No picture scores the least there is."""
        return SCORE_MIN if self.shot is None else self.shot.mark.score


class Trial(Record):
    """What one arm made of one item."""

    arm: str
    item: str
    labels: dict[str, str]
    run: str
    """The run folder, relative to the benchmark's."""
    first: Point
    """Round 0, candidate 0."""
    points: tuple[Point, ...]
    """With 1, 2, … renders allowed; the last is the result of the run."""
    critic_calls: int
    stop: str | None
    """The rule that ended the run; None where it did not come to its end."""
    faults: tuple[str, ...]
    """Errors of renders and judgements on the way."""
    error: str | None
    """What the run ended with, if it failed: it has no result that the arm can be held to."""

    @property
    def result(self) -> Point:
        """What the arm is held to."""
        return self.points[-1]


def read_trial(
    arm: Arm,
    item: Item,
    run: Run,
    where: str,
    *,
    renders: int,
    error: str | None,
    mark: Callable[[Candidate], Mark],
) -> Trial:
    """Grade a run that is over.

    Args:
        renders: up to how many renders there are points.
        error: what `run_job` raised.
        mark: grades a candidate that has a picture.
    """

    def shot(candidate: Candidate | None) -> Shot | None:
        if candidate is None or candidate.image is None:
            return None
        return Shot(
            candidate=candidate.id,
            image=candidate.image,
            reward=candidate.reward,
            mark=mark(candidate),
        )

    points = []
    for allowed in range(1, renders):
        replayed = replay(run, _allowing(arm.policy, allowed))
        best = replayed.incumbent or next((c for c in replayed.candidates if c.image), None)
        points.append(Point(spent=_spent(replayed.candidates), shot=shot(best)))
    points.append(Point(spent=_spent(run.candidates), shot=shot(run.best)))
    first = run.candidates[0] if run.candidates else None
    outcome = run.outcome
    faults = [c.failure for c in run.candidates if c.failure]
    if error is None and (outcome is None or not outcome.ok):
        error = "not finished" if outcome is None else f"{outcome.stop.rule}: {outcome.stop.reason}"
    return Trial(
        arm=arm.name,
        item=item.id,
        labels=dict(item.labels),
        run=where,
        first=Point(spent=_spent(run.candidates[:1]), shot=shot(first)),
        points=tuple(points),
        critic_calls=outcome.spend.critic_calls if outcome else 0,
        stop=outcome.stop.rule if outcome else None,
        faults=tuple(f"{fault.stage}: {fault.error}: {fault.message}" for fault in faults),
        error=error,
    )


def _allowing(policy: Policy, images: int) -> Policy:
    budget = policy.budget.model_copy(update={"images": images})
    return policy.model_copy(update={"budget": budget})


def _spent(candidates: tuple[Candidate, ...]) -> int:
    return sum(candidate.image is not None for candidate in candidates)
