"""Review: a human looks at the next prompt before it is rendered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from rr_refine.agent.history import Candidate, Proposal
from rr_refine.terms import Record

__all__ = ["Decision", "ReviewRequest", "read_decision"]


class ReviewRequest(Record):
    """What the human is asked: the value of the graph's interrupt."""

    round: int
    """The round that the proposal is for."""
    original: str
    proposal: Proposal
    incumbent: Candidate | None
    candidates: tuple[Candidate, ...]
    """All so far; any with an image can be picked."""


class Accept(Record):
    """Render the proposal."""

    action: Literal["accept"] = "accept"


class Edit(Record):
    """Render this prompt instead."""

    action: Literal["edit"] = "edit"
    prompt: str = Field(min_length=1)


class Reject(Record):
    """Propose another; the reason is handed to the rewriters."""

    action: Literal["reject"] = "reject"
    reason: str = Field(min_length=1)


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


class Quit(Record):
    """Stop here; the incumbent is the result."""

    action: Literal["stop"] = "stop"
    reason: str = "stopped by the user"


Decision = Annotated[
    Accept | Edit | Reject | Keep | Pick | Reseed | Quit, Field(discriminator="action")
]
"""The answer to a `ReviewRequest`."""

_ADAPTER: TypeAdapter[Decision] = TypeAdapter(Decision)


def read_decision(value: object) -> Decision:
    """A decision from JSON-like data, or one that is already made.

    Raises:
        pydantic.ValidationError: it is none.
    """
    return _ADAPTER.validate_python(value)
