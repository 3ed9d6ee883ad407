"""Critics whose answers are known: pictures of one colour, whose red says how good they are."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Literal

from PIL import Image

from rr_refine.errors import CriticError
from rr_refine.reward.answer_format import write_comparison, write_critique
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.judging import Answer, read_comparison, read_critique, to_assessment
from rr_refine.terms import Dimension, Identity, Usage, dimensions_of

Kind = Literal["right", "first", "tie", "physics"]
"""Always right; always for the picture that is shown first; never for any; right, but it sees the
difference in the physical quality alone."""

COST = Usage(calls=1, prompt_tokens=10, completion_tokens=2)


def picture(quality: int, number: int = 0) -> bytes:
    """A PNG: of two pictures the one with the higher quality, 0 to 255, is better."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (quality, number % 256, number // 256)).save(buffer, "PNG")
    return buffer.getvalue()


def quality(image: Image.Image) -> float:
    """As a score, 1 to 4 in tenths."""
    pixel = image.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return round(1 + 3 * pixel[0] / 255, 1)


class Judge:
    """Compares and scores.

    Args:
        kind: what it says.
        fails: the error of a prompt; None for an answer.
    """

    def __init__(
        self, kind: Kind = "right", fails: Callable[[str], CriticError | None] = lambda _: None
    ) -> None:
        self._kind: Kind = kind
        self._fails = fails
        self.asked: list[str] = []

    @property
    def identity(self) -> Identity:
        return Identity(kind="scripted", name=self._kind)

    async def compare(self, request: ComparisonRequest) -> Comparison:
        self._note(request.prompt)
        shown = (request.image_a, request.image_b)
        forward, reverse = (
            read_comparison(
                Answer(write_comparison(*self._scores(request, *images), why="So it is.")),
                request.task,
            )
            for images in (shown, shown[::-1])
        )
        return Comparison(critic=self.identity, forward=forward, reverse=reverse, usage=COST + COST)

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self._note(request.prompt)
        score = 3.0 if self._kind == "tie" else quality(request.image)
        scores: dict[Dimension, float | None] = dict.fromkeys(dimensions_of(request.task), score)
        text = write_critique(scores, None, why="So it is.")
        return to_assessment(self.identity, [read_critique(Answer(text), request.task)], COST)

    def _note(self, prompt: str) -> None:
        self.asked.append(prompt)
        if error := self._fails(prompt):
            raise error

    def _scores(
        self, request: ComparisonRequest, first: Image.Image, second: Image.Image
    ) -> tuple[dict[Dimension, float | None], dict[Dimension, float | None]]:
        names = dimensions_of(request.task)
        alike = dict.fromkeys(names, 3.0)
        match self._kind:
            case "right":
                a, b = (dict.fromkeys(names, quality(image)) for image in (first, second))
            case "first":
                a, b = alike, dict.fromkeys(names, 2.0)
            case "tie":
                a, b = alike, alike
            case "physics":
                a, b = ({**alike, "physical_quality": quality(image)} for image in (first, second))
        return dict(a), dict(b)


class Solitary:
    """A critic that cannot compare."""

    identity = Identity(kind="scripted", name="solitary")

    async def critique(self, request: CritiqueRequest) -> Assessment:
        return await Judge().critique(request)


class Right(Judge):
    """For `plugins.create`."""

    def __init__(self) -> None:
        super().__init__("right")


class First(Judge):
    """For `plugins.create`."""

    def __init__(self) -> None:
        super().__init__("first")


class Redness:
    """A scalar reward: the redder, the better; in tenths, if it is coarse."""

    identity = Identity(kind="redness", name="redness")

    def __init__(self, coarse: bool = False) -> None:
        self._coarse = coarse

    async def score(self, request: CritiqueRequest) -> float:
        reward = (quality(request.image) - 1) / 3
        return round(reward) if self._coarse else reward
