"""The state of the graph: small, typed, serialisable. References only: no pixels, no base64."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import Field
from pydantic_core import core_schema
from typing_extensions import TypedDict

from rr_refine.agent.budget import Budget, Cost, Spend
from rr_refine.agent.event_dedup import EventDedup
from rr_refine.agent.history import (
    Candidate,
    Declined,
    Extension,
    Failure,
    History,
    ImageJudgement,
    Proposal,
    Rejection,
    RewriteAttempt,
    Stop,
    Verdict,
)
from rr_refine.agent.intent import ProtectedSpan
from rr_refine.agent.job import Job
from rr_refine.agent.ledger import Ledger
from rr_refine.agent.lineage import Lineage
from rr_refine.agent.manifest import RunStatus
from rr_refine.agent.policy import Policy
from rr_refine.agent.review import ReviewRequest
from rr_refine.agent.revision import Revision, number_of, request_at
from rr_refine.agent.store.folder import RunFolder
from rr_refine.errors import RefineError
from rr_refine.generators.prompt_fit import PromptFit
from rr_refine.request import Request
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.evidence.evidence import Finding
from rr_refine.telemetry import Traced
from rr_refine.terms import Record

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
    from PIL import Image
    from pydantic_core import CoreSchema

__all__ = [
    "Outcome",
    "RefineInput",
    "RefineOutput",
    "RefineState",
    "RunContext",
    "checkpoint_serializer",
    "history_of",
    "request_of",
]


class Outcome(Record):
    """How a run ended."""

    stop: Stop
    best: Candidate | None
    """The result: the incumbent, or the first image where none could be judged; None without
    any image."""
    first: Candidate
    """Round 0, candidate 0: what one shot would have given."""
    candidates: tuple[Candidate, ...]
    """Everything that was tried, in order."""
    spend: Spend
    revisions: tuple[Revision, ...] = Field(default=(), exclude_if=lambda them: not them)
    """What the request became by remarks in review, in order; left out where there was none."""

    @property
    def ok(self) -> bool:
        """False where the critic or the generator failed, though there may be an image."""
        return self.stop.rule not in ("critic-failed", "generator-failed", "rewriter-failed")

    @property
    def can_go_on(self) -> bool:
        """Whether another session may come further: not where the generator refuses the prompt."""
        last = [c for c in self.candidates if c.round == self.candidates[-1].round]
        return not self.ok and not all(c.failure is not None and c.failure.final for c in last)


class RefineInput(TypedDict):
    """What a caller puts in."""

    request: Request
    policy: Policy


class RefineOutput(TypedDict):
    """What a caller gets out."""

    outcome: Outcome


class RefineState(TypedDict, total=False):
    """What the nodes share."""

    run: str
    """Id of the run, whose folder holds what is named here."""
    request: Request
    """As the run began with it; see `request_of`."""
    policy: Policy
    revisions: tuple[Revision, ...]
    """What the request became by remarks, in order."""
    remark: str | None
    """A remark that is not part of the request yet."""
    spans: tuple[ProtectedSpan, ...]
    proposal: Proposal | None
    """The prompt of the round to come."""
    seed: int
    """Seed of candidate 0 of round 0; a human may change it."""
    candidates: tuple[Candidate, ...]
    rewrites: tuple[RewriteAttempt, ...]
    remarks: tuple[str, ...]
    """Words that the user protects, for the rewriters."""
    refused: tuple[str, ...]
    """Proposals that the user rejected."""
    declined: tuple[Declined, ...]
    """Proposals that the generator refused."""
    incumbent: str | None
    """Id of the best candidate so far."""
    spend: Spend
    user_stop: str | None
    retry_rewrite: bool
    """The review asked for another proposal."""
    stop: Stop | None
    answered: tuple[int, ...]
    """For each end of the run that something was said about: the rounds done by then."""
    extension: Extension | None
    """The last time that the run went on after its end; the policy has its limits."""
    outcome: Outcome


@dataclass(slots=True)
class RunContext:
    """A run at work: its live objects, which no checkpoint holds, and how far this session is.

    `rr_refine.run_context` gives one; to resume, open another one by the same run id.
    """

    job: Job
    folder: RunFolder
    run_id: str
    parent: str | None = None
    """Id of the run that this one comes from."""
    lineage: Lineage | None = None
    """And of which of its pictures, where that is known."""
    dedup: EventDedup | None = None
    """Holds back what an earlier session reported; None reports everything."""
    status: RunStatus = "interrupted"
    """What the run would be if the session ended now."""
    most_images: int | None = None
    """Most pictures of the run, however often a person goes on with it; None is no limit."""
    question: ReviewRequest | None = None
    """What a person is asked; None where nobody is."""
    work: Traced | None = None
    """The run, for `rr_refine.telemetry`."""
    at_work: bool = False
    """Whether a node is running."""
    told: set[str] = field(default_factory=set)
    """Notices about the run as a whole that were told in this session."""
    faults: list[RefineError] = field(default_factory=list)
    """What renders and judgements failed with in this session, in order."""
    pictures: dict[str, Image.Image] = field(default_factory=dict)
    """By digest, what need not be read back from the folder: the picture to edit, and those that
    were just rendered."""
    outside: dict[str, str] = field(default_factory=dict)
    """By prompt of the request, who understands nothing of it; see `NodeContext.outside`."""
    assessments: dict[str, Assessment] = field(default_factory=dict)
    """Those that `assessment` has read."""
    ledger: Ledger = field(init=False)
    """What the run pays."""

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.folder.journal)

    def assessment(self, key: str) -> Assessment:
        """That of the journal, which is read once: every rewrite looks at all of them."""
        if key not in self.assessments:
            item = self.folder.journal.get("critique", key)
            result = item.get("result") if isinstance(item, dict) else None
            self.assessments[key] = self.folder.journal.read("critique", result, Assessment)
        return self.assessments[key]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        """For JSON schemas of the graph: a context is made by a program, and has none."""
        note = {"description": "Live objects: see rr_refine.run_context", "type": "object"}
        return core_schema.any_schema(metadata={"pydantic_js_updates": note})


def history_of(state: RefineState) -> History:
    """The part of the state that the rules look at."""
    return History(
        policy=state["policy"],
        spend=state.get("spend", Spend()),
        candidates=state.get("candidates", ()),
        rewrites=state.get("rewrites", ()),
        incumbent_id=state.get("incumbent"),
        user_stop=state.get("user_stop"),
        revision=number_of(state.get("revisions", ())),
        extension=state.get("extension"),
    )


def request_of(state: RefineState) -> Request:
    """The request as it is now, by the last remark: what pictures are judged by."""
    revisions = state.get("revisions", ())
    return request_at(state["request"], revisions, number_of(revisions))


def checkpoint_serializer() -> JsonPlusSerializer:
    """A serializer for checkpointers that revives the types of our state, and no others.

    Pass it to your own: `AsyncPostgresSaver(..., serde=checkpoint_serializer())`.
    """
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    types = (
        *(
            Request,
            Policy,
            Budget,
            Spend,
            Cost,
            ProtectedSpan,
            Proposal,
            Candidate,
            Failure,
            Verdict,
        ),
        *(RewriteAttempt, Rejection, Declined, Stop, Outcome, PromptFit, Finding),
        *(ImageJudgement, Revision, Extension),
    )
    return JsonPlusSerializer(allowed_msgpack_modules=[(t.__module__, t.__name__) for t in types])
