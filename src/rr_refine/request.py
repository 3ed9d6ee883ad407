"""What the user asked for. It is frozen before the first render and never changes."""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field, JsonValue, ValidationInfo, field_validator, model_validator

from rr_refine.terms import Given, Task

__all__ = ["MAX_PROMPT", "Request"]

MAX_PROMPT: Final = 200_000
"""Characters of a prompt, or of any other text that somebody writes; models read far fewer."""


class Request(Given):
    """One job: a prompt, maybe a picture to edit, and what must be kept or avoided."""

    prompt: str
    """The original request. Every image is judged against it."""
    source: str | None = None
    """Digest of the picture to edit, stored in the run folder; None for text-to-image."""
    more_sources: tuple[str, ...] = Field(default=(), exclude_if=lambda more: not more)
    """Digests of further pictures that an edit may take from, in order; left out where there are
    none, so that what is derived from a request stays the same."""
    keep: tuple[str, ...] = ()
    """Words that every rewritten prompt must hold as they are."""
    avoid: tuple[str, ...] = ()
    """Words that no rewritten prompt may hold."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the first candidate; the others follow from it."""
    first_prompt: str | None = Field(default=None, exclude_if=lambda prompt: prompt is None)
    """The prompt of the first round, where that is not the request: it led to a picture of an
    earlier run."""
    parameters: dict[str, JsonValue] = {}
    """Passed on to the generator with every render: `width`, `guidance_scale`, …"""

    @field_validator("prompt", "first_prompt", "keep", "avoid")
    @classmethod
    def _require_text(
        cls, value: str | tuple[str, ...] | None, info: ValidationInfo
    ) -> str | tuple[str, ...] | None:
        for text in [value] if isinstance(value, str) else value or ():
            if not text.strip():
                raise ValueError(f"{info.field_name} = {text!r} is blank")
            if any("\ud800" <= c <= "\udfff" for c in text):  # neither a file nor a model takes it
                raise ValueError(f"{text[:80]!r} holds bytes that are no text: is it UTF-8?")
        return value

    @model_validator(mode="after")
    def _first_source_first(self) -> Self:
        if self.more_sources and self.source is None:
            raise ValueError("more_sources come behind a source")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """Digests of all pictures to edit, in order."""
        return () if self.source is None else (self.source, *self.more_sources)

    @property
    def task(self) -> Task:
        """`edit` if there is a source picture, `t2i` otherwise."""
        return "t2i" if self.source is None else "edit"
