"""Pictures, judgements and comparisons for a test of a critic, with the oracle's grades."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Final

from PIL import Image

from rr_refine.benchmarks.engine import Models, run_many
from rr_refine.errors import CriticError, GeneratorError
from rr_refine.generators.generator import RenderRequest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest, PairwiseCritic, can_compare
from rr_refine.reward.critique import Critique
from rr_refine.sketch.bench.generator import render_all
from rr_refine.sketch.bench.tasks import SketchTask
from rr_refine.sketch.observation import Observation
from rr_refine.sketch.oracle.grading import Grade
from rr_refine.sketch.plan import plan, plan_edit
from rr_refine.sketch.world.phrasing import describe
from rr_refine.sketch.world.request import SceneRequest

__all__ = ["GradedPicture", "PictureJudging", "RenderedTask", "agrees", "differing"]

_DIFFER: Final = 0.1
"""Score points by which the oracle's means of two pictures must differ for one to be better."""


@dataclass(frozen=True, slots=True)
class RenderedTask:
    """A picture that the generator made for a task."""

    task: SketchTask
    image: Image.Image


@dataclass(frozen=True, slots=True)
class GradedPicture:
    """A picture, as oracle and critic see it."""

    picture: RenderedTask
    grade: Grade
    assessment: Assessment

    @property
    def task(self) -> SketchTask:
        """What the picture was made for."""
        return self.picture.task

    @property
    def critique(self) -> Critique:
        """What the critic says: its first sample."""
        return self.assessment.critiques[0]

    @property
    def truth(self) -> float:
        """The oracle's mean."""
        return fmean(score for score in self.grade.scores.values() if score is not None)


class PictureJudging:
    """The work on both models; what fails is counted.

    Args:
        models: connected.
        concurrency: how many calls at once.
        on_step: called with what is being done, how many are done, and how many in all.
    """

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

    async def render(self, tasks: Sequence[SketchTask]) -> list[RenderedTask | None]:
        """Two pictures of each task, one after the other: of its own words, and of dense ones."""
        twice = [task for task in tasks for _ in range(2)]
        made = await render_all(
            self._models.generator,
            [request for task in tasks for request in self._two(task)],
            self._concurrency,
            lambda done, total: self._say("pictures", done, total),
        )
        self.failures.update(type(p).__name__ for p in made if isinstance(p, GeneratorError))
        return [
            None if isinstance(picture, GeneratorError) else RenderedTask(task, picture)
            for task, picture in zip(twice, made, strict=True)
        ]

    async def judge(self, pictures: Sequence[RenderedTask | None]) -> list[GradedPicture | None]:
        """Each picture with its judgement, where there is one."""
        judged: list[GradedPicture | None] = [None] * len(pictures)
        left = [(index, picture) for index, picture in enumerate(pictures) if picture]
        done = 0

        async def one(index: int, picture: RenderedTask) -> None:
            nonlocal done
            task = picture.task
            try:
                assessment = await self._models.critic.critique(
                    CritiqueRequest(task.item.prompt, picture.image, task.source)
                )
                grade = await asyncio.to_thread(task.grade, picture.image)
                judged[index] = GradedPicture(picture, grade, assessment)
            except CriticError as error:
                self.failures[type(error).__name__] += 1
            done += 1
            self._say("judgements", done, len(left))

        await run_many((one(*work) for work in left), self._concurrency)
        return judged

    async def compare(self, pairs: Sequence[tuple[GradedPicture, GradedPicture]]) -> list[bool]:
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
                    ComparisonRequest(
                        a.task.item.prompt, a.picture.image, b.picture.image, a.task.source
                    )
                )
                right[index] = comparison.winner == ("a" if a.truth > b.truth else "b")
            except CriticError as error:
                self.failures[type(error).__name__] += 1
            done += 1
            self._say("comparisons", done, len(pairs))

        await run_many((one(index, critic) for index in range(len(pairs))), self._concurrency)
        return right

    def _two(self, task: SketchTask) -> tuple[RenderRequest, RenderRequest]:
        prompt, seed, source = task.item.prompt, task.item.seed, task.source
        if isinstance(task.asked, SceneRequest):
            scene = plan(task.asked, Observation(None), Random(prompt))
            assert scene is not None, "every request was made from a scene that meets it"
            dense = describe(scene)
        else:
            dense = plan_edit(task.asked)
        parameters = self._models.parameters
        return (
            RenderRequest(prompt, seed, source, parameters),
            RenderRequest(dense, seed, source, parameters),
        )

    def _say(self, what: str, done: int, total: int) -> None:
        if self._on_step is not None:
            self._on_step(what, done, total)


def differing(judged: Sequence[GradedPicture | None]) -> list[tuple[GradedPicture, GradedPicture]]:
    """The pairs of one task, both judged, whose oracle means differ by 0.1 or more."""
    return [
        (a, b)
        for a, b in zip(judged[::2], judged[1::2], strict=True)
        if a and b and abs(a.truth - b.truth) >= _DIFFER - 1e-9
    ]


def agrees(pair: tuple[GradedPicture, GradedPicture]) -> bool:
    """Does the critic give the better one by the oracle the higher mean?"""
    a, b = pair
    return (a.assessment.reward - b.assessment.reward) * (a.truth - b.truth) > 0
