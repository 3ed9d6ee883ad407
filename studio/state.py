"""Where a run is, as the page shows it: what was asked, and what can be done now."""

from __future__ import annotations

import json
from typing import Literal

from rr_refine.agent.policy import Policy
from rr_refine.request import Request
from rr_refine.terms import Record

__all__ = ["RunState", "StudioStatus"]

StudioStatus = Literal[
    "working",  # running in this studio
    "waiting",  # running in this studio, and asking for a decision
    "done",
    "unfinished",  # stopped, or its process died: it can go on
    "failed",  # the critic or the generator failed: it can be tried again
]


class RunState(Record):
    """A run at this moment."""

    name: str
    request: Request
    policy: Policy
    notes: tuple[str, ...] = ()
    """What the models in use cannot do with this prompt."""
    status: StudioStatus
    question: int | None = None
    """The number of the open question, to be given back with the decision."""
    problem: str = ""
    """Why the last session broke off, if it did."""
    result: bool = False
    """There is a result picture."""

    def write(self) -> str:
        """A line of JSON, all ASCII: nothing in it can be taken for the end of a line."""
        return json.dumps(self.model_dump(mode="json"))
