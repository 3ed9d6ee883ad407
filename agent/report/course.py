"""The course of a run by its events: what its rounds do not hold, and the round in progress."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rr_refine.agent.effects import critique_key
from rr_refine.agent.events import (
    Event,
    Judged,
    Rendered,
    RewriteRejected,
    Rewritten,
    RoundStarted,
    RunStarted,
)
from rr_refine.agent.history import Candidate, Proposal, Rejection
from rr_refine.request import Request

__all__ = ["Course"]


@dataclass(slots=True)
class Course:
    """What events tell about rounds and candidates.

    A step that was cut off is told again when the run goes on, and everything is told again when
    the run starts over: what was told last holds, and what was told twice counts once.
    """

    rejections: dict[int, dict[Rejection, None]] = field(default_factory=dict)
    """Prompts that were not used, by the round that they were for."""
    proposals: dict[int, dict[str, Proposal]] = field(default_factory=dict)
    """What rewriters proposed, by round and prompt: one, or more where a human asked again."""
    rendered: dict[str, Rendered] = field(default_factory=dict)
    """By candidate."""
    judged: dict[str, Judged] = field(default_factory=dict)
    """By candidate."""
    started: RoundStarted | None = None
    """The round that began last."""

    @classmethod
    def of(cls, events: Iterable[Event]) -> Course:
        """The course that the events tell."""
        course = cls()
        for event in events:
            match event:
                case RunStarted():
                    course = cls()
                case RoundStarted():
                    course.started = event
                case Rendered():
                    course.rendered[event.candidate] = event
                    course.judged.pop(event.candidate, None)
                case Judged():
                    course.judged[event.candidate] = event
                case RewriteRejected():
                    course.rejections.setdefault(event.round, {})[event.rejection] = None
                case Rewritten():
                    proposals = course.proposals.setdefault(event.round, {})
                    proposals[event.proposal.prompt] = event.proposal
                case _:
                    pass
        return course

    def unused(self, number: int, prompt: str) -> tuple[Rejection, ...]:
        """The prompts of round `number` that were rejected on the way to `prompt`."""
        aside = (
            Rejection(rewriter=p.origin, prompt=p.prompt, reason=f"set aside in review ({p.why})")
            for p in self.proposals.get(number, {}).values()
            if p.prompt != prompt
        )
        return (*self.rejections.get(number, ()), *aside)

    def begun(self, number: int, request: Request) -> tuple[Candidate, ...]:
        """The candidates so far of round `number`, if that is the one in progress."""
        started = self.started
        if started is None or started.round != number:
            return ()
        found: list[Candidate] = []
        for index in range(started.candidates):
            name = f"r{number}c{index}"
            rendered, judged = self.rendered.get(name), self.judged.get(name)
            if rendered is not None:
                found.append(
                    Candidate(
                        round=number,
                        index=index,
                        prompt=started.prompt,
                        origin=started.origin,
                        seed=rendered.seed,
                        image=rendered.image,
                        critique=critique_key(request, rendered.image) if judged else None,
                        scores=judged.scores if judged else None,
                    )
                )
        return tuple(found)
