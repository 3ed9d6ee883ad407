"""Where a run is, as the page shows it: what was asked, and what can be done now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from rr_refine.agent.lineage import Lineage, LineageKind, parent_folder
from rr_refine.agent.policy import Policy
from rr_refine.request import Request
from rr_refine.terms import Record

__all__ = ["Parent", "RunState", "StudioStatus", "parent_of"]

StudioStatus = Literal[
    "working",  # running in this studio
    "waiting",  # running in this studio, and asking for a decision
    "done",
    "unfinished",  # stopped, or its process died: it can go on
    "failed",  # the critic or the generator failed: it can be tried again
]


class Parent(Record):
    """The picture that a run comes from."""

    kind: LineageKind
    run: str
    """Id of its run."""
    name: str | None
    """Name of that run in the studio; None where it is not there any more."""
    candidate: str
    image: str
    """Digest of the picture."""


def parent_of(path: Path, lineage: Lineage | None) -> Parent | None:
    """Where the run in `path` comes from, if it comes from a picture. Reads a file."""
    if lineage is None:
        return None
    folder = parent_folder(path, lineage)
    return Parent(
        kind=lineage.kind,
        run=lineage.run,
        name=None if folder is None else folder.name,
        candidate=lineage.candidate,
        image=lineage.image,
    )


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
    parent: Parent | None = None
    """The picture that it comes from."""
    result: bool = False
    """There is a result picture."""

    def write(self) -> str:
        """A line of JSON, all ASCII: nothing in it can be taken for the end of a line."""
        return json.dumps(self.model_dump(mode="json"))
