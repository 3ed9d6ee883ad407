"""How good the critic is: against the oracle, on pictures of held-out requests by the generator.

Every request gets two pictures, one from its own words and one from a dense prompt for it, so that
there are bad ones and good ones. Both are judged by the request's own words.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Final

from rr_refine.benchmarks.bootstrap import Bootstrap, Estimate, estimate
from rr_refine.benchmarks.engine import run_many
from rr_refine.benchmarks.sketch.answers import in_world, meets, named_misses
from rr_refine.benchmarks.sketch.generator import render_all
from rr_refine.benchmarks.sketch.tasks import requests
from rr_refine.errors import CriticError, GeneratorError
from rr_refine.generators.generator import RenderRequest
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest, can_compare
from rr_refine.reward.sketch.plan import plan
from rr_refine.reward.sketch.sight import Sight
from rr_refine.sketch.phrasing import describe
from rr_refine.sketch.request import Request
from rr_refine.terms import Identity, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL import Image

    from rr_refine.benchmarks.engine import Models
    from rr_refine.benchmarks.sketch.tasks import SketchTask, Split
    from rr_refine.reward.assessment import Assessment
    from rr_refine.reward.critic import PairwiseCritic
    from rr_refine.reward.critique import Critique
    from rr_refine.sketch.grading import Grade

__all__ = ["CriticResult", "Naming", "evaluate_critic"]

_DIFFER: Final = 0.1
"""Score points by which the oracle's means of two pictures must differ for one to be better."""


class Naming(Record):
    """Missed requirements: those that the critic names against those that the oracle finds."""

    named: int
    missed: int
    right: int
    """In both."""
    precision: float
    recall: float
    f1: Estimate
    """Over all pictures together (micro); the interval is over pictures."""


class CriticResult(Record):
    """What `evaluate_critic` gives. Measures are over the pictures that the critic could judge."""

    split: str
    generator: Identity
    critic: Identity
    readable: Estimate
    """Share of pictures that got a judgement."""
    agreement: Estimate | None
    """Share of pairs of pictures of one request in which the critic gives the better one by the
    oracle the higher mean; equal means are wrong. Pairs whose oracle means differ by less than 0.1
    are left out. None where there are no others."""
    side_by_side: Estimate | None
    """The same by comparison in both orders, where a tie is wrong, and a comparison that failed.
    None where the critic cannot compare."""
    naming: Naming
    verdict: Estimate
    """Share of pictures in which the critic misses something if the oracle does."""
    in_world: Estimate | None
    """Share of the refined requests that mean something in the sketch world and have no word
    that it does not know; None where there are none."""
    true: Estimate | None
    """Share of the refined requests that are in the world and describe one whole scene that meets
    the request."""
    failures: dict[str, int]
    """Renders, judgements and comparisons that failed, by error."""


@dataclass(frozen=True, slots=True)
class _Picture:
    task: SketchTask
    image: Image.Image


@dataclass(frozen=True, slots=True)
class _Judged:
    """A picture, as oracle and critic see it."""

    picture: _Picture
    asked: Request
    grade: Grade
    assessment: Assessment

    @property
    def critique(self) -> Critique:
        return self.assessment.critiques[0]

    @property
    def named(self) -> frozenset[str]:
        """What the critic misses."""
        return named_misses(self.critique)

    @property
    def truth(self) -> float:
        """The oracle's mean."""
        return fmean(score for score in self.grade.scores.values() if score is not None)


async def evaluate_critic(
    models: Models,
    split: Split,
    limit: int,
    *,
    concurrency: int = 32,
    on_step: Callable[[str, int, int], None] | None = None,
) -> CriticResult:
    """Judge two pictures each of `limit` requests, and hold that against the oracle.

    Args:
        models: connected.
        on_step: called with what is being done, how many are done, and how many in all.

    Raises:
        ConfigError: the models do not take their parameters.
        CriticError: not a single picture could be judged.
    """
    exam = _Exam(models, concurrency, on_step)
    pictures = await exam.render(requests(split, limit))
    judged = await exam.judge(pictures)
    if not any(judged):
        raise CriticError(
            f"none of {len(pictures)} pictures could be judged: {dict(exam.failures)}"
        )
    pairs = [
        (a, b)
        for a, b in zip(judged[::2], judged[1::2], strict=True)
        if a and b and abs(a.truth - b.truth) >= _DIFFER - 1e-9
    ]
    compared = await exam.compare(pairs)
    known = [one for one in judged if one]
    refined = [(one, text) for one in known if (text := one.critique.refined_request)]
    rendered = [one for one, picture in zip(judged, pictures, strict=True) if picture]
    return CriticResult(
        split=split,
        generator=models.generator.identity,
        critic=models.critic.identity,
        readable=estimate(one is not None for one in rendered),
        agreement=estimate(map(_agrees, pairs)) if pairs else None,
        side_by_side=estimate(compared) if compared else None,
        naming=_naming(known),
        verdict=estimate(bool(one.named) == bool(one.grade.missed) for one in known),
        in_world=estimate(in_world(text) for _, text in refined) if refined else None,
        true=(
            estimate(in_world(text) and meets(text, one.asked) for one, text in refined)
            if refined
            else None
        ),
        failures=dict(sorted(exam.failures.items())),
    )


class _Exam:
    """The work on both models; what fails is counted."""

    def __init__(
        self,
        models: Models,
        concurrency: int,
        on_step: Callable[[str, int, int], None] | None,
    ) -> None:
        self._models = models
        self._concurrency = concurrency
        self._on_step = on_step
        self.failures: Counter[str] = Counter()

    async def render(self, tasks: Sequence[SketchTask]) -> list[_Picture | None]:
        """Two pictures of each request, one after the other."""
        twice = [task for task in tasks for _ in range(2)]
        made = await render_all(
            self._models.generator,
            [request for task in tasks for request in self._two(task)],
            self._concurrency,
            lambda done, owed: self._say("pictures", done, owed),
        )
        self.failures.update(type(p).__name__ for p in made if isinstance(p, GeneratorError))
        return [
            None if isinstance(picture, GeneratorError) else _Picture(task, picture)
            for task, picture in zip(twice, made, strict=True)
        ]

    async def judge(self, pictures: Sequence[_Picture | None]) -> list[_Judged | None]:
        """Each picture with its judgement, where there is one."""
        judged: list[_Judged | None] = [None] * len(pictures)
        owed = [(index, picture) for index, picture in enumerate(pictures) if picture]
        done = 0

        async def one(index: int, picture: _Picture) -> None:
            nonlocal done
            asked = picture.task.asked
            assert isinstance(asked, Request)
            try:
                assessment = await self._models.critic.critique(
                    CritiqueRequest(picture.task.item.prompt, picture.image)
                )
                grade = await asyncio.to_thread(picture.task.grade, picture.image)
                judged[index] = _Judged(picture, asked, grade, assessment)
            except CriticError as error:
                self.failures[type(error).__name__] += 1
            done += 1
            self._say("judgements", done, len(owed))

        await run_many((one(*work) for work in owed), self._concurrency)
        return judged

    async def compare(self, pairs: Sequence[tuple[_Judged, _Judged]]) -> list[bool]:
        """Which pairs the critic decides as the oracle does; none where it cannot compare."""
        critic = self._models.critic
        if not can_compare(critic):
            return []
        right = [False] * len(pairs)
        done = 0

        async def one(index: int, critic: PairwiseCritic) -> None:
            nonlocal done
            a, b = pairs[index]
            try:
                comparison = await critic.compare(
                    ComparisonRequest(a.picture.task.item.prompt, a.picture.image, b.picture.image)
                )
                right[index] = comparison.winner == ("a" if a.truth > b.truth else "b")
            except CriticError as error:
                self.failures[type(error).__name__] += 1
            done += 1
            self._say("comparisons", done, len(pairs))

        await run_many((one(index, critic) for index in range(len(pairs))), self._concurrency)
        return right

    def _two(self, task: SketchTask) -> tuple[RenderRequest, RenderRequest]:
        assert isinstance(task.asked, Request)
        prompt, seed = task.item.prompt, task.item.seed
        scene = plan(task.asked, Sight(None), Random(prompt))
        assert scene is not None, "every request was made from a scene that meets it"
        parameters = self._models.parameters
        return (
            RenderRequest(prompt, seed, parameters=parameters),
            RenderRequest(describe(scene), seed, parameters=parameters),
        )

    def _say(self, what: str, done: int, owed: int) -> None:
        if self._on_step is not None:
            self._on_step(what, done, owed)


def _agrees(pair: tuple[_Judged, _Judged]) -> bool:
    a, b = pair
    return (a.assessment.reward - b.assessment.reward) * (a.truth - b.truth) > 0


def _naming(judged: Sequence[_Judged]) -> Naming:
    right = [len(one.named & set(one.grade.missed)) for one in judged]
    both = [len(one.named) + len(one.grade.missed) for one in judged]
    named, missed = sum(len(one.named) for one in judged), sum(len(j.grade.missed) for j in judged)
    return Naming(
        named=named,
        missed=missed,
        right=sum(right),
        precision=sum(right) / named if named else 0.0,
        recall=sum(right) / missed if missed else 0.0,
        f1=Bootstrap(len(judged)).ratio([2 * hits for hits in right], both),
    )
