"""A critic for tests and first contact: quick, deterministic, and faulty on demand.

It looks at no picture. Its scores are made from the digests of prompt and picture, so the same
picture has the same scores in every process; its answers are written out in full and go through
the parser that real answers go through.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, TypeVar, get_args

from pydantic import Field, JsonValue

from rr_refine.digest import digest, image_digest
from rr_refine.errors import (
    ConfigError,
    CriticAnswerError,
    CriticError,
    CriticTimeout,
    CriticUnavailable,
)
from rr_refine.files import open_file
from rr_refine.plugins import factory
from rr_refine.reward.answer_format import write_comparison, write_critique
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison, Winner
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.critique import Critique
from rr_refine.reward.judging import Answer, read_comparison, read_critique, to_assessment
from rr_refine.terms import Dimension, Given, Identity, Record, Task, Usage, dimensions_of

__all__ = ["FakeAnswer", "FakeCritic", "FakeCriticOptions", "Fault", "create"]

Fault = Literal["unavailable", "timeout", "refused", "garbage", "truncated", "hang"]
"""`unavailable`, `timeout`, `refused`: the error of that name. `garbage`: words that are no
critique. `truncated`: an answer cut off by the token limit. `hang`: no answer until cancelled."""

Scores = dict[Dimension, float | None]
T = TypeVar("T")

_WISHES: Final[dict[Task, tuple[str, ...]]] = {
    "t2i": ("in sharp focus", "in soft, even light", "with natural proportions", "neatly framed"),
    "edit": ("keep all else as it is", "keep the light as it is", "keep the framing as it is"),
}
_QUOTES: Final = '"“”„«»'
_WHY: Final = "Nobody looked: this is the fake critic."


class FakeAnswer(Record):
    """An answer in a script: the scores as they will be written, sensible or not."""

    text_faithfulness: float
    image_faithfulness: float | None = None
    """None is written as N/A, here and below. Ignored for text-to-image."""
    physical_quality: float
    text_rendering: float | None = None
    refined_request: str | None = ""
    """The empty string makes one of the request; None proposes none."""

    def scores(self, task: Task) -> Scores:
        """The scores of the dimensions that `task` has."""
        return {d: getattr(self, d) for d in dimensions_of(task)}


Step = str | FakeAnswer
"""A fault, a raw text, or an answer by its scores."""


class FakeCriticOptions(Given):
    """What the fake does instead of looking."""

    script: tuple[Step, ...] | None = None
    """One step per critique, in the order in which the calls begin; a call behind the last step
    is a ConfigError, so that a test notices a call that it did not expect. None: no script."""
    by_image: dict[str, Step] = {}
    """Steps by picture: the beginning of its `image_digest` -> step. They come before the script,
    use none of it up, and hold in every process."""
    comparisons: tuple[Winner | Fault, ...] | None = None
    """One winner or fault per comparison, as `script`. None: the picture with the higher scores
    wins."""
    seed: int = 0
    """Another seed, other scores."""
    samples: int = Field(default=1, ge=1, le=64)
    """Judgements per picture; unscripted ones are shaken by up to 0.2."""
    seconds: float = Field(default=0.0, ge=0)
    """Time that every call takes."""
    log: Path | None = None
    """A file that gets one JSON line per call that ended, on disk when the call returns."""


class FakeCritic:
    """Judges without looking; see the module. Unscripted, it is a pure function of its request."""

    def __init__(self, options: FakeCriticOptions | None = None) -> None:
        self._options = options or FakeCriticOptions()
        self._steps = iter(self._options.script or ())
        self._winners = iter(self._options.comparisons or ())
        self._given: dict[str, Scores] = {}

    @property
    def identity(self) -> Identity:
        """Everything but speed and log."""
        details = self._options.model_dump(mode="json", exclude={"seconds", "log"})
        return Identity(kind="fake", name="fake", details=details)

    async def critique(self, request: CritiqueRequest) -> Assessment:
        """Give the next answer of the script, or one made from the request.

        Raises:
            CriticError: the script says so, or its answer is no critique.
            ConfigError: the script is over.
        """
        picture = image_digest(request.image)
        step = self._by_image(picture)
        if step is None and self._options.script is not None:
            step = _next(self._steps, "script")
        with self._logged("critique", request.prompt, picture):
            await asyncio.sleep(self._options.seconds)
            outcomes: list[Critique | CriticAnswerError] = []
            usage = Usage()
            for sample in range(self._options.samples):
                answer = await self._answer(request, step, picture, sample)
                usage += _usage(request.prompt, answer)
                try:
                    outcomes.append(read_critique(answer, request.task))
                except CriticAnswerError as error:
                    outcomes.append(error)
            return to_assessment(self.identity, outcomes, usage)

    async def compare(self, request: ComparisonRequest) -> Comparison:
        """Give the next winner of the script, or the picture with the higher scores.

        Those are the scores that this critic last gave it, or would give it unscripted.

        Raises:
            CriticError: the script says so.
            ConfigError: the script is over.
        """
        pictures = [image_digest(request.image_a), image_digest(request.image_b)]
        a, b = (self._scores(request, picture) for picture in pictures)
        fault: str | None = None
        if self._options.comparisons is not None:
            step = _next(self._winners, "comparisons")
            if step in get_args(Winner):
                a, b = (_flat(request.task, 3.0 + (step == side) / 2) for side in ("a", "b"))
            else:
                fault = step
        with self._logged("compare", request.prompt, *pictures):
            await asyncio.sleep(self._options.seconds)
            texts = [write_comparison(*pair, why=_WHY) for pair in ((a, b), (b, a))]
            answers = [Answer(text) if not fault else await _befall(fault, text) for text in texts]
            forward, reverse = (read_comparison(answer, request.task) for answer in answers)
            return Comparison(
                critic=self.identity,
                forward=forward,
                reverse=reverse,
                usage=sum((_usage(request.prompt, answer) for answer in answers), Usage()),
            )

    async def _answer(
        self, request: CritiqueRequest, step: Step | None, picture: str, sample: int
    ) -> Answer:
        refined: str | None = self._refined(request, picture)
        if isinstance(step, FakeAnswer):
            self._given[picture] = scores = step.scores(request.task)
            if step.refined_request != "":
                refined = step.refined_request
        else:
            scores = self._made_up(request, picture, sample)
        text = write_critique(scores, refined, why=_WHY)
        return await _befall(step, text) if isinstance(step, str) else Answer(text)

    def _by_image(self, picture: str) -> Step | None:
        return next((s for d, s in self._options.by_image.items() if picture.startswith(d)), None)

    def _scores(self, request: ComparisonRequest, picture: str) -> Scores:
        step = self._by_image(picture)
        if isinstance(step, FakeAnswer):
            return step.scores(request.task)
        return self._given.get(picture) or self._made_up(request, picture, sample=0)

    def _made_up(
        self, request: CritiqueRequest | ComparisonRequest, picture: str, sample: int
    ) -> Scores:
        """Scores from 1.5 to 4.0 in tenths; text rendering is N/A unless something is quoted."""
        scores: Scores = {}
        for dimension in dimensions_of(request.task):
            if dimension == "text_rendering" and not set(request.prompt) & set(_QUOTES):
                scores[dimension] = None
                continue
            base = self._draw(request.prompt, picture, dimension) % 26
            shake = self._draw(request.prompt, picture, f"{dimension}/{sample}") % 5 - 2
            if self._options.samples == 1:
                shake = 0
            scores[dimension] = min(15 + base + shake, 40) / 10
        return scores

    def _refined(self, request: CritiqueRequest, picture: str) -> str:
        wishes = _WISHES[request.task]
        wish = wishes[self._draw(request.prompt, picture, "wish") % len(wishes)]
        return f"{request.prompt}, {wish}"

    def _draw(self, prompt: str, picture: str, purpose: str) -> int:
        seed = self._options.seed
        drawn = digest({"seed": seed, "prompt": prompt, "image": picture, "purpose": purpose})
        return int(drawn[:8], 16)

    @contextmanager
    def _logged(self, call: str, prompt: str, *pictures: str) -> Iterator[None]:
        """Write a call's log line when it ends, well or badly; a cancelled one never ended."""
        line: dict[str, JsonValue] = {
            "call": call,
            "prompt": digest({"prompt": prompt}),
            "images": list(pictures),
        }
        try:
            yield
        except CriticError as error:
            self._log(line | {"outcome": type(error).__name__})
            raise
        self._log(line | {"outcome": "ok"})

    def _log(self, line: dict[str, JsonValue]) -> None:
        if self._options.log is not None:
            with open_file(self._options.log, "rb+") as file:
                file.write(json.dumps(line).encode() + b"\n")


create = factory(FakeCritic, FakeCriticOptions, "critic")


async def _befall(step: str, answer: str) -> Answer:
    """What becomes of an answer when a fault befalls it, or a raw text stands in its place."""
    match step:
        case "unavailable":
            raise CriticUnavailable("the fake critic is unavailable, as its script says")
        case "timeout":
            raise CriticTimeout("the fake critic took too long, as its script says")
        case "hang":
            await asyncio.Event().wait()
        case "refused":
            return Answer("I'm sorry, but I can't judge this picture.", refused=True)
        case "garbage":
            return Answer("A lovely picture. I could look at it all day.")
        case "truncated":
            return Answer(answer[: len(answer) // 2], truncated=True)
    return Answer(step)


def _next(steps: Iterator[T], option: str) -> T:
    try:
        return next(steps)
    except StopIteration:
        raise ConfigError(
            f"the fake critic was called once more than its critic.{option} has steps"
        ) from None


def _flat(task: Task, score: float) -> Scores:
    return {d: None if d == "text_rendering" else score for d in dimensions_of(task)}


def _usage(prompt: str, answer: Answer) -> Usage:
    """One call; a word counts as a token."""
    return Usage(
        calls=1,
        prompt_tokens=len(prompt.split()),
        completion_tokens=len(answer.text.split()),
    )
