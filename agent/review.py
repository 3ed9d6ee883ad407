"""Review: a human looks at the next prompt before it is rendered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from rr_refine.agent.history import Candidate, Proposal, Stop
from rr_refine.agent.revision import Revision, appended
from rr_refine.errors import ConfigError, StoreError
from rr_refine.invalid import told_invalid
from rr_refine.request import MAX_PROMPT
from rr_refine.terms import Record

__all__ = [
    "Accept",
    "Decision",
    "EditPrompt",
    "GoOn",
    "Keep",
    "Pick",
    "Quit",
    "Reject",
    "Reseed",
    "ReviewRequest",
    "read_decision",
    "recorded_decision",
    "require_possible",
]


class ReviewRequest(Record):
    """What the human is asked: the value of the graph's interrupt."""

    round: int
    """The round that the proposal is for."""
    original: str
    """The request that the run began with."""
    revisions: tuple[Revision, ...] = ()
    """What it became by remarks, in order."""
    proposal: Proposal
    incumbent: Candidate | None
    candidates: tuple[Candidate, ...]
    """All so far; any with an image can be picked."""
    problem: str = ""
    """Why the answer given before cannot be carried out; empty when asked for the first time."""
    stop: Stop | None = Field(default=None, exclude_if=lambda stop: stop is None)
    """Why the run would end now, where the question is whether to take the best picture or to go
    on. To accept takes it, to pick takes another one, all else goes on. The proposal is then the
    prompt of the best picture."""

    @property
    def request(self) -> str:
        """The request as it is now."""
        return self.revisions[-1].prompt if self.revisions else self.original


class Accept(Record):
    """Render the proposal."""

    action: Literal["accept"] = "accept"


class EditPrompt(Record):
    """Render this prompt instead."""

    action: Literal["edit"] = "edit"
    prompt: str = Field(min_length=1)


class Reject(Record):
    """Propose another. The reason is a remark: it makes a new revision of the request."""

    action: Literal["reject"] = "reject"
    reason: str = Field(min_length=1)
    revises: bool = True
    """False hands the reason to the rewriters alone, as older versions did."""


class Keep(Record):
    """Protect these words from now on, and propose another prompt that holds them."""

    action: Literal["keep"] = "keep"
    text: str = Field(min_length=1)


class Pick(Record):
    """Make another candidate the incumbent, and propose from there."""

    action: Literal["pick"] = "pick"
    candidate: str


class Reseed(Record):
    """Render the proposal with another seed."""

    action: Literal["reseed"] = "reseed"
    seed: int = Field(ge=0, lt=2**63)


class GoOn(Record):
    """Do not end yet. Only where the run would end, or has ended."""

    action: Literal["go-on"] = "go-on"
    remark: str = ""
    """What should be otherwise: it makes a new revision of the request. Without one, another
    picture of the same request is looked for."""
    rounds: int | None = Field(default=None, ge=1)
    """Further rounds; as many as the run had by default. Its other limits count anew."""
    candidate: str | None = None
    """The picture to go on from; the best so far by default."""


class Quit(Record):
    """Stop here; the incumbent is the result."""

    action: Literal["stop"] = "stop"
    reason: str = "stopped by the user"


Decision = Annotated[
    Accept | EditPrompt | Reject | Keep | Pick | Reseed | GoOn | Quit,
    Field(discriminator="action"),
]
"""The answer to a `ReviewRequest`."""

_ADAPTER: TypeAdapter[Decision] = TypeAdapter(Decision)


def read_decision(value: object, question: ReviewRequest | None = None) -> Decision:
    """A decision from JSON-like data, or one that is already made.

    Args:
        question: what it is the answer to, where it shall be one that can be carried out.

    Raises:
        ConfigError: it is none, or not for this question.
    """
    try:
        decision = _ADAPTER.validate_python(value)
    except ValidationError as error:
        raise ConfigError(told_invalid(error, "the answer")) from None
    if question is not None:
        require_possible(question, decision)
    return decision


def recorded_decision(value: object) -> Decision:
    """A decision from the journal, where older versions wrote no `revises`.

    Raises:
        StoreError: it is none.
    """
    if isinstance(value, dict) and value.get("action") == "reject":
        value = {"revises": False, **value}
    try:
        return read_decision(value)
    except ConfigError as error:
        raise StoreError(f"samples.jsonl has an answer that is no decision: {error}") from None


def require_possible(question: ReviewRequest, decision: Decision) -> None:
    """Check a decision against its question.

    Raises:
        ConfigError: the candidate to pick does not exist or has no image; a text is too long, by
            itself or as a part of the request; the run has not come to its end.
    """
    if isinstance(decision, GoOn) and question.stop is None:
        raise ConfigError("the run goes on in any case; accept the prompt, or say what is wrong")
    texts = [text for text in decision.model_dump().values() if isinstance(text, str)]
    remark = {"reject": "reason", "go-on": "remark"}.get(decision.action)
    if remark is not None and (said := getattr(decision, remark)).strip():
        texts.append(appended(question.request, said))
    for text in texts:
        if len(text) > MAX_PROMPT:
            raise ConfigError(f"a text of {len(text):,} characters; {MAX_PROMPT:,} are the most")
    there = [c.id for c in question.candidates if c.image is not None]
    picked = decision.candidate if isinstance(decision, Pick | GoOn) else None
    if picked is not None and picked not in there:
        raise ConfigError(f"candidate {picked!r} cannot be picked; there are {', '.join(there)}")
