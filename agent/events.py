"""The events of a run: typed, streamed, and appended to `events.jsonl`."""

from __future__ import annotations

import json
import re
import time
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from rr_refine.agent.budget import Budget, Cost, Spend
from rr_refine.agent.history import Candidate, Proposal, Rejection, Stop, Verdict
from rr_refine.agent.intent import ProtectedSpan
from rr_refine.agent.lineage import Lineage
from rr_refine.agent.policy import MAX_CANDIDATES
from rr_refine.agent.review import Decision, ReviewRequest
from rr_refine.agent.revision import Revision
from rr_refine.reward.evidence.evidence import Finding
from rr_refine.terms import Dimension, Record, Task, Words

__all__ = [
    "Compared",
    "CriticFailed",
    "Decided",
    "Event",
    "Judged",
    "Notice",
    "RenderFailed",
    "Rendered",
    "ReviewRequested",
    "Reviewed",
    "Revised",
    "RewriteRejected",
    "Rewritten",
    "RoundStarted",
    "RunFinished",
    "RunStarted",
    "StepDone",
    "read_event",
    "write_event",
]


class _Event(Record):
    time: float = Field(default_factory=time.time)
    """Seconds since the epoch."""
    cost: Cost | None = Field(default=None, exclude_if=lambda cost: cost is None)
    """What the run has paid by then; left out where there was nothing to pay."""


class RunStarted(_Event):
    """The request is frozen and its protected spans are known."""

    type: Literal["run-started"] = "run-started"
    run: str
    """Path of the run folder."""
    run_id: str = ""
    """Empty where an older version wrote it."""
    parent: str | None = None
    """Id of the run that this one comes from."""
    lineage: Lineage | None = Field(default=None, exclude_if=lambda it: it is None)
    """And of which of its pictures, where that is known."""
    prompt: str
    task: Task
    preset: str
    generator: str
    critic: str
    spans: tuple[ProtectedSpan, ...] = ()
    outside: str = Field(default="", exclude_if=lambda parts: not parts)
    """Who understands nothing at all of the request, such as `generator and critic`."""
    ways: tuple[str, ...] = Field(default=(), exclude_if=lambda ways: not ways)
    """The shortest ways to models for pictures of anything, then."""


class Notice(_Event):
    """Something is otherwise than asked: a picture was converted or scaled, a prompt was cut."""

    type: Literal["notice"] = "notice"
    candidate: str | None = None
    """The candidate that it is about; None for the run as a whole."""
    text: Words
    """A clause without a full stop."""


class RoundStarted(_Event):
    """A round begins to render."""

    type: Literal["round-started"] = "round-started"
    round: int
    rounds: int
    """The most there can be."""
    prompt: str
    origin: str
    candidates: int = Field(ge=0, le=MAX_CANDIDATES)
    revision: int = 1
    """The revision of the request that it is for."""
    spend: Spend = Spend()
    """What the rounds before have used."""
    budget: Budget | None = Field(default=None, exclude_if=lambda limits: limits is None)
    """Of a run that went on from an end: its limits from then on, with what it used before."""


class StepDone(_Event):
    """One inference step of a render. Streamed only, never written to the file."""

    type: Literal["step-done"] = "step-done"
    candidate: str
    step: int
    steps: int
    preview: str | None = Field(default=None, exclude_if=lambda data: data is None)
    """What there is of the picture so far, as a `data:` URL, where the generator shows it."""


class Rendered(_Event):
    """An image is on disk."""

    type: Literal["rendered"] = "rendered"
    candidate: str
    seed: int
    image: str
    """Digest."""
    path: str
    width: int | None = None
    """Pixels, as are those of `height`; None where an older version wrote it."""
    height: int | None = None
    seconds: float
    cached: bool
    """True where a finished render of this run was used again."""


class RenderFailed(_Event):
    """A candidate has no image."""

    type: Literal["render-failed"] = "render-failed"
    candidate: str
    error: str
    message: Words


class Judged(_Event):
    """The critic has judged an image."""

    type: Literal["judged"] = "judged"
    candidate: str
    revision: int = 1
    """The revision of the request that the scores are by."""
    again: bool = False
    """Whether the image was judged under an earlier one already: it was the best at a remark."""
    scores: dict[Dimension, float | None]
    changes: dict[Dimension, float | None]
    """Against the incumbent under the same revision; None where either is N/A or there is none."""
    reward: float
    weakest: Dimension
    reason: str
    """What the critic said about the weakest dimension."""
    said: dict[Dimension, float | None] | None = None
    """The critic's own scores, where a measurement capped one of them."""
    capped: dict[Dimension, str] = {}
    """Beside what the critic said about a dimension: that a measurement capped its score."""
    findings: tuple[Finding, ...] = ()
    """What was measured in the image."""
    unjudged: tuple[str, ...] = ()
    """What the request asks for and nobody judged."""
    samples: int
    seconds: float
    cached: bool


class CriticFailed(_Event):
    """An image could not be judged. It has no score."""

    type: Literal["critic-failed"] = "critic-failed"
    candidate: str
    revision: int = 1
    """The revision of the request that it should have been judged by."""
    error: str
    message: Words


class Compared(_Event):
    """A near tie went to a comparison in both orders."""

    type: Literal["compared"] = "compared"
    incumbent: str
    challenger: str
    winner: Literal["incumbent", "challenger", "tie", "failed"]
    message: Words = ""


class Decided(_Event):
    """A candidate was weighed against the incumbent."""

    type: Literal["decided"] = "decided"
    candidate: str
    verdict: Verdict


class RewriteRejected(_Event):
    """A rewriter's prompt was not used."""

    type: Literal["rewrite-rejected"] = "rewrite-rejected"
    round: int
    rejection: Rejection


class Rewritten(_Event):
    """There is a prompt for the next round."""

    type: Literal["rewritten"] = "rewritten"
    round: int
    proposal: Proposal
    previous: str
    """The prompt that it takes the place of."""


class ReviewRequested(_Event):
    """The run waits for a human decision; the proposal is in the request."""

    type: Literal["review-requested"] = "review-requested"
    request: ReviewRequest


class Reviewed(_Event):
    """A human has decided."""

    type: Literal["reviewed"] = "reviewed"
    round: int
    decision: Decision


class Revised(_Event):
    """A remark in review has become part of the request. The best picture is judged again."""

    type: Literal["revised"] = "revised"
    revision: Revision
    previous: str
    """The request before."""
    spans: tuple[ProtectedSpan, ...] = ()
    """What every prompt must hold from now on."""


class RunFinished(_Event):
    """The run is over; the incumbent is the result."""

    type: Literal["run-finished"] = "run-finished"
    run: str
    stop: Stop
    best: Candidate | None
    first: Candidate
    result: str | None
    """Path of `result.png`; None without any image."""
    spend: Spend
    revisions: tuple[Revision, ...] = ()
    """What the request became by remarks, in order. Scores belong to the revision that their
    candidate names."""


Event = Annotated[
    RunStarted
    | Notice
    | RoundStarted
    | StepDone
    | Rendered
    | RenderFailed
    | Judged
    | CriticFailed
    | Compared
    | Decided
    | RewriteRejected
    | Rewritten
    | ReviewRequested
    | Reviewed
    | Revised
    | RunFinished,
    Field(discriminator="type"),
]
"""Any event; `event.type` tells which."""

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)
_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def write_event(event: Event) -> str:
    """The event as a line of JSON, without its end.

    Characters that would end a line or move a terminal's cursor are escaped. Half characters,
    which may come out of a broken answer or a file's name, become `?`.
    """
    text = json.dumps(event.model_dump(mode="json"), ensure_ascii=False)
    text = text.encode("utf-8", "replace").decode()
    return _UNSAFE.sub(lambda m: f"\\u{ord(m.group()):04x}", text)


def read_event(line: str | bytes) -> Event:
    """An event from a line of `events.jsonl` or of `--json` output.

    Raises:
        pydantic.ValidationError: it is none.
    """
    return _ADAPTER.validate_json(line)
