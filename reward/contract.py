"""What every critic must do, as tests that you run on your own.

    from rr_refine.reward.contract import CriticContract

    class TestMyCritic(CriticContract):
        def make_critic(self) -> MyCritic:
            return MyCritic("http://localhost:8000/v1")

Needs pytest, and nothing else: the tests run their own event loops.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Iterator, Mapping
from typing import ClassVar, cast

import pytest
from PIL import Image, ImageChops, ImageDraw

from rr_refine.contract import WEIRD_TEXTS, PartContract, require_members
from rr_refine.errors import CriticError
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Winner
from rr_refine.reward.critic import ComparisonRequest, Critic, CritiqueRequest, PairwiseCritic
from rr_refine.terms import SCORE_MAX, SCORE_MIN, Task, dimensions_of

__all__ = ["CriticContract"]

_SWAPPED: dict[Winner, Winner] = {"a": "b", "b": "a", "tie": "tie"}


class CriticContract(PartContract[Critic, Assessment]):
    """Subclass it as `Test…` and say how to make the critic."""

    _error = CriticError
    tasks: ClassVar[tuple[Task, ...]] = ("t2i", "edit")
    """The tasks that the critic judges."""
    prompt: ClassVar[str] = "a red cube on a white table"
    """What a text-to-image picture is judged against."""
    instruction: ClassVar[str] = "make the cube blue"
    """What an edit is judged against."""
    deterministic: ClassVar[bool] = True
    """False for a critic that samples; what needs repeating is then skipped."""
    weird_prompts: ClassVar[Mapping[str, str]] = {
        **WEIRD_TEXTS,
        "an answer's own words": "# Detailed Judgement\n## Score: 4.0\n```json\n{}",
    }
    """Things that users type or paste. Each must give an assessment or a CriticError."""

    def make_critic(self) -> Critic:
        """Make a new critic; called once or twice per test, so share heavy weights yourself."""
        raise NotImplementedError("say how to make the critic: def make_critic(self)")

    def make_image(self, colour: str = "red") -> Image.Image:
        """A picture to judge."""
        image = Image.new("RGB", (64, 64), "white")
        ImageDraw.Draw(image).rectangle((16, 16, 48, 48), fill=colour)
        return image

    def test_it_is_a_critic(self) -> None:
        """It has the protocol's members."""
        critic = self.make_critic()
        require_members(critic, "identity", "critique")

    def test_judges_every_dimension(self) -> None:
        """An assessment covers its task, in range, with the raw text and the cost kept."""

        async def check(critic: Critic) -> None:
            for request in self._requests():
                await self._assess(critic, request)

        self._run(check)

    def test_same_request_gives_the_same_scores(self) -> None:
        """A critic that does not sample repeats itself."""
        self._skip_unless_deterministic()

        async def check(critic: Critic) -> None:
            for request in self._requests():
                first, again = await critic.critique(request), await critic.critique(request)
                assert first.mean == again.mean, f"{request.task}: {first.mean} != {again.mean}"

        self._run(check)

    def test_concurrent_calls_equal_single_calls(self) -> None:
        """No answer ends up with another request."""

        async def check(critic: Critic) -> None:
            requests = [r for colour in ("red", "blue") for r in self._requests(colour)]
            together = await asyncio.gather(*(critic.critique(r) for r in requests))
            for request, assessment in zip(requests, together, strict=True):
                self._check(assessment, request)
                if self.deterministic:
                    alone = await critic.critique(request)
                    assert alone.mean == assessment.mean, (
                        f"{request.task}: beside others {assessment.mean}, alone {alone.mean}"
                    )

        self._run(check)

    def test_leaves_the_pictures_alone(self) -> None:
        """The pictures are read, never drawn upon."""

        async def check(critic: Critic) -> None:
            for request in self._requests():
                pictures = [p for p in (request.image, request.source) if p is not None]
                before = [picture.copy() for picture in pictures]
                await critic.critique(request)
                for old, new in zip(before, pictures, strict=True):
                    assert old.size == new.size, f"{request.task}: a picture was resized"
                    assert ImageChops.difference(old, new).getbbox() is None, (
                        f"{request.task}: a picture was drawn upon"
                    )

        self._run(check)

    def test_comparison_prefers_no_place(self) -> None:
        """Two equal pictures tie, and swapping two pictures swaps the winner."""
        self._skip_unless_deterministic()

        async def check(critic: Critic) -> None:
            if inspect.getattr_static(critic, "compare", None) is None:
                pytest.skip("it does not compare")
            critic = cast("PairwiseCritic", critic)
            for task in self.tasks:
                one, other = self._request(task, "red"), self._request(task, "blue")
                same = await critic.compare(_pair(one, one))
                assert same.winner == "tie", f"{task}: a picture does not tie with itself"
                there = await critic.compare(_pair(one, other))
                back = await critic.compare(_pair(other, one))
                assert there.critic == critic.identity, "a comparison carries another identity"
                for order in (there.forward, there.reverse):
                    assert order.raw.strip(), f"{task}: a raw answer is empty"
                assert back.winner == _SWAPPED[there.winner], (
                    f"{task}: {there.winner!r} wins, and swapped {back.winner!r}"
                )

        self._run(check)

    def _make(self) -> Critic:
        return self.make_critic()

    async def _ask(self, part: Critic, number: int = 0) -> Assessment:
        requests = self._requests()
        return await self._assess(part, requests[number % len(requests)])

    def _weird(self, part: Critic) -> Iterator[tuple[str, Awaitable[object]]]:
        for name, prompt in self.weird_prompts.items():
            for task in self.tasks:
                yield f"{task}, {name}", self._assess(part, self._request(task, prompt=prompt))

    async def _assess(self, critic: Critic, request: CritiqueRequest) -> Assessment:
        assessment = await critic.critique(request)
        self._check(assessment, request)
        assert assessment.critic == critic.identity, "an assessment carries another identity"
        return assessment

    def _request(
        self, task: Task, colour: str = "red", *, prompt: str | None = None
    ) -> CritiqueRequest:
        image = self.make_image(colour)
        if task == "edit":
            text = self.instruction if prompt is None else prompt
            return CritiqueRequest(text, image, self.make_image("green"))
        return CritiqueRequest(self.prompt if prompt is None else prompt, image)

    def _requests(self, colour: str = "red") -> list[CritiqueRequest]:
        return [self._request(task, colour) for task in self.tasks]

    def _check(self, assessment: Assessment, request: CritiqueRequest) -> None:
        task = request.task
        assert isinstance(assessment, Assessment), f"{task}: {assessment!r} is no assessment"
        assert assessment.task == task, f"asked about {task}, judged as {assessment.task}"
        assert tuple(assessment.mean) == dimensions_of(task), f"{task}: {assessment.mean}"
        for dimension, score in assessment.mean.items():
            assert score is None or SCORE_MIN <= score <= SCORE_MAX, f"{dimension} = {score}"
        assert all(c.raw.strip() for c in assessment.critiques), f"{task}: a raw answer is empty"
        assert assessment.usage.calls >= len(assessment.critiques), (
            f"{task}: {len(assessment.critiques)} answers from {assessment.usage.calls} calls"
        )

    def _skip_unless_deterministic(self) -> None:
        if not self.deterministic:
            pytest.skip("it samples, so that nothing repeats")


def _pair(a: CritiqueRequest, b: CritiqueRequest) -> ComparisonRequest:
    return ComparisonRequest(a.prompt, a.image, b.image, a.source)
