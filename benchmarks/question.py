"""What a judge is asked, and what asks and answers are: texts and pictures in, a text out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rr_refine.terms import Identity, Usage

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Judge", "Question", "Reply"]


@dataclass(frozen=True, slots=True)
class Question:
    """One user message to a judge."""

    content: tuple[str | Image.Image, ...]
    """Texts and RGB pictures, in order. A picture is sent as PNG, without loss."""
    max_tokens: int | None = None
    """Longest answer; None where the official script sets none."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a judge wrote, as it came."""

    text: str
    usage: Usage


class Judge(Protocol):
    """Answers questions about pictures. Safe to call many times at once.

    One that must ask somewhere before it knows who it is has `async def connect()`, and one that
    holds connections `async def aclose()`: see `rr_refine.component`.
    """

    @property
    def identity(self) -> Identity:
        """Model, temperature, and whatever else the answers depend on."""
        ...

    async def ask(self, question: Question) -> Reply:
        """Put one question.

        Raises:
            CriticError: there is no answer; of the kind that fits.
        """
        ...
