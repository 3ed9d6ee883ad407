"""Where a run stands, as the page shows it: what was asked, and what can be done now."""

from __future__ import annotations

import json
from typing import Literal

from rr_refine.agent.policy import Policy
from rr_refine.request import Request
from rr_refine.terms import Record, Task

__all__ = ["Asked", "RunState", "Standing", "asked_of"]

Standing = Literal[
    "working",  # at work in this studio
    "waiting",  # at work in this studio, and asking for a decision
    "done",
    "unfinished",  # stopped, or its process died: it can go on
    "failed",  # the critic or the generator failed: it can be tried again
]


class Asked(Record):
    """What a run was asked for; it never changes."""

    prompt: str
    task: Task
    source: str | None
    """Digest of the picture to edit."""
    preset: str
    seed: int
    keep: tuple[str, ...]
    avoid: tuple[str, ...]
    review: bool
    target: float | None
    """The score that every dimension should reach, 1 to 4."""
    notes: tuple[str, ...] = ()
    """What the models in use cannot do with this prompt."""


class RunState(Record):
    """Where a run stands now."""

    name: str
    asked: Asked
    standing: Standing
    question: int | None = None
    """The number of the open question, to be given back with the decision."""
    problem: str = ""
    """Why the last session broke off, if it did."""
    result: bool = False
    """There is a result picture."""

    def write(self) -> str:
        """A line of JSON, all ASCII: nothing in it can be taken for the end of a line."""
        return json.dumps(self.model_dump(mode="json"))


def asked_of(request: Request, policy: Policy, notes: tuple[str, ...] = ()) -> Asked:
    """What a run was asked for, in the words of its page."""
    return Asked(
        prompt=request.prompt,
        task=request.task,
        source=request.source,
        preset=policy.preset,
        seed=request.seed,
        keep=request.keep,
        avoid=request.avoid,
        review=policy.review,
        target=policy.target,
        notes=notes,
    )
