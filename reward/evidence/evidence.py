"""What evidence is: typed findings about a picture, measured and not felt."""

from __future__ import annotations

from typing import Literal, Protocol, Self, runtime_checkable

from pydantic import Field, model_validator

from rr_refine.reward.critic import CritiqueRequest
from rr_refine.terms import Dimension, Identity, Record, Words

__all__ = ["Box", "Evidence", "Finding", "FindingKind", "Findings"]

FindingKind = Literal["right", "wrong", "missing", "extra", "abstained"]
"""`right`: as asked. `wrong`: there, and not as asked. `missing`: not there. `extra`: nobody asked
for it. `abstained`: it could not be told."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, as shares of the picture's width and height, from 0 to 1."""


class Finding(Record):
    """One thing that was looked for in a picture, or seen in it."""

    kind: FindingKind
    dimension: Dimension
    """The dimension of the critic that it bears on."""
    expected: Words | None = None
    """What was asked for; None for what nobody asked for."""
    found: Words | None = None
    """What is there instead, or as well; None where nothing was found."""
    box: Box | None = None
    """Where it is."""
    sure: float = Field(ge=0.0, le=1.0)
    """How sure the measurement is, by its own account."""
    reason: Words
    """In words: `it reads 'OPNE', asked was 'OPEN'`. Of an abstention, why it could not be told."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.expected is None) != (self.kind == "extra"):
            raise ValueError(f"a finding that is {self.kind!r} with expected = {self.expected!r}")
        if self.box is not None and not (
            0 <= self.box[0] <= self.box[2] <= 1 and 0 <= self.box[1] <= self.box[3] <= 1
        ):
            raise ValueError(f"box = {self.box} is no part of a picture")
        return self

    @property
    def is_miss(self) -> bool:
        """Whether something that was asked for is measurably not there."""
        return self.kind in ("wrong", "missing")


class Findings(Record):
    """What one kind of evidence says of one picture."""

    evidence: Identity
    findings: tuple[Finding, ...] = ()
    """Empty where there was nothing to measure."""


@runtime_checkable
class Evidence(Protocol):
    """Measures something in pictures. Safe to call many times at once.

    `connect` and `aclose` are optional, see `rr_refine.component`. Check your own with
    `rr_refine.reward.evidence.contract.EvidenceContract`.
    """

    @property
    def identity(self) -> Identity:
        """All that its findings depend on besides the request: program, version, model."""
        ...

    async def examine(self, request: CritiqueRequest) -> Findings:
        """Look at a picture.

        What was asked for gets one finding each: right, wrong, missing or abstained. The same
        request must give the same findings: they are kept in the run's journal.

        Raises:
            EvidenceError: it could not be done; the run goes on without it, and says so.
        """
        ...
