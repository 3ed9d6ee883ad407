"""Judges: their questions and answers, and judges that grade without questions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from typing_extensions import TypeIs

from rr_refine.benchmarks.item import Item, Mark
from rr_refine.component import has_methods
from rr_refine.terms import Identity, Usage

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["GradingJudge", "Judge", "Question", "Reply", "can_grade"]


@dataclass(frozen=True, slots=True)
class Question:
    """One user message to a judge."""

    content: tuple[str | Image.Image, ...]
    """Texts and RGB pictures, in order."""
    max_tokens: int | None = None
    """Longest answer; None where the official script sets none."""
    jpeg: int | None = None
    """Quality of the JPEG that pictures are sent as, where the official script does so; None is
    PNG, without loss."""
    system: str = ""
    """What the system says before; empty where the official script has no such message."""
    temperature: float | None = None
    """Of the official script; None where it sets none."""
    thoughts: bool = True
    """False asks the server to have the model answer at once, as far as it can do so."""
    may_be_cut: bool = False
    """An answer that reaches `max_tokens` counts as it is, as officially."""
    likelihoods: bool = False
    """How likely the tokens are that could be the answer's first: see `Reply.tokens`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a judge wrote, as it came."""

    text: str
    usage: Usage
    tokens: Mapping[str, float] = field(default_factory=dict)
    """Where that was asked for and the server tells: log-probabilities of the tokens that could
    have been the first, as many as it gives."""

    @property
    def answer(self) -> str:
        """What a benchmark reads: the text, or the tokens as a JSON object where there are any."""
        return json.dumps(dict(self.tokens), ensure_ascii=False) if self.tokens else self.text


class Judge(Protocol):
    """Answers questions about pictures. Safe to call many times at once.

    One that must ask somewhere before it knows who it is has `async def connect()`, which every
    run that has it calls first, also while others are at work with it. One that holds connections
    has `async def aclose()`: see `rr_refine.component`.
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


class GradingJudge(Protocol):
    """Grades the picture of an item by a program, without the questions of a benchmark.

    Its marks have no dimensions, and no official script knows them.
    """

    @property
    def identity(self) -> Identity:
        """Whatever its marks depend on."""
        ...

    async def grade(self, item: Item, image: Image.Image) -> Mark:
        """The mark of a picture.

        Raises:
            CriticError: it cannot tell.
        """
        ...


def can_grade(judge: object) -> TypeIs[GradingJudge]:
    """Whether a judge grades by itself; its `identity`, which it may not know yet, is not asked."""
    return has_methods(judge, "grade")
