"""The words every room shares: tasks, dimensions, and the base of all records."""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
)

from rr_refine.notices import shortened
from rr_refine.redaction import hidden

__all__ = [
    "DIMENSIONS",
    "DIMENSION_WORDS",
    "SCORE_MAX",
    "SCORE_MIN",
    "Amount",
    "Dimension",
    "Given",
    "Identity",
    "Record",
    "Task",
    "Usage",
    "Words",
    "dimensions_of",
    "to_reward",
]

Task = Literal["t2i", "edit"]
"""Text-to-image, or instruction-based editing of a source image."""

Dimension = Literal["text_faithfulness", "image_faithfulness", "physical_quality", "text_rendering"]
"""What the critic judges. Image faithfulness exists for edits only."""

DIMENSIONS: Final[tuple[Dimension, ...]] = (
    "text_faithfulness",
    "image_faithfulness",
    "physical_quality",
    "text_rendering",
)

DIMENSION_WORDS: Final[dict[Dimension, str]] = {
    "text_faithfulness": "what you asked for",
    "image_faithfulness": "kept from your picture",
    "physical_quality": "looks real and clean",
    "text_rendering": "written words",
}
"""What each is called where somebody looks who does not know the field."""

SCORE_MIN: Final = 1.0
SCORE_MAX: Final = 4.0


def dimensions_of(task: Task) -> tuple[Dimension, ...]:
    """The dimensions that a critique of `task` has, in the critic's order."""
    if task == "edit":
        return DIMENSIONS
    return tuple(d for d in DIMENSIONS if d != "image_faithfulness")


def to_reward(mean: float) -> float:
    """Map a mean score in [1, 4] to a reward in [0, 1]: (mean - 1) / 3 (paper, Eq. 13)."""
    return (mean - SCORE_MIN) / (SCORE_MAX - SCORE_MIN)


class Record(BaseModel):
    """Base of everything that is written to a file or crosses an edge: frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Given(Record):
    """One that people fill in: true is no number there, though it is 1 in Python."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        if info.field_name is not None:
            kind = cls.model_fields[info.field_name].annotation
            numbers = (_names(kind, int) or _names(kind, float)) and not _names(kind, bool)
            for one in value if isinstance(value, list | tuple) else (value,):
                if numbers and isinstance(one, bool):
                    raise ValueError(f"{one!r} is no number")
        return value


def _names(kind: object, one: type) -> bool:
    """Whether a type is another one, or has it among its parts: `list[int] | None` names int."""
    return kind is one or any(_names(part, one) for part in get_args(kind))


Amount = Annotated[float, Field(ge=-1e12, le=1e12)]
"""A number of a file that may be another's: sums and squares of it stay numbers."""

Words = Annotated[str, AfterValidator(shortened)]
"""What somebody says, for people to read: kept up to `rr_refine.notices.MAX_WORDS`."""


class Usage(Record):
    """What a model call cost. Add two with `+`."""

    calls: int = 0
    """Answers asked for; a request for k samples counts k."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    assumed_tokens: int = 0
    """Of these, what nobody counted: the most that it can have been is taken."""
    notices: tuple[Words, ...] = ()
    """What was done otherwise than asked to get the answers: clauses without a full stop."""

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            assumed_tokens=self.assumed_tokens + other.assumed_tokens,
            notices=tuple(dict.fromkeys((*self.notices, *other.notices))),
        )


class Identity(Record):
    """Who made a thing: everything that could change its output, and nothing else.

    Two components with equal identities give interchangeable results, so it is part of every
    cache key, and it is what the manifest of a run records.
    """

    kind: str
    """The implementation: `diffusers:FluxPipeline`, `openai`, `scripted`."""
    name: str
    """The model: a hub id, a folder, an endpoint's model name."""
    details: dict[str, JsonValue] = {}
    """Revision, dtype, LoRA hashes, template hash, sampling parameters. Secrets are hidden."""

    @field_validator("name", "details")
    @classmethod
    def _hide(cls, given: JsonValue) -> JsonValue:
        return hidden(given)
