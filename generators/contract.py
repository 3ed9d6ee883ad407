"""What every generator must do, as tests that you run on your own.

    from rr_refine.generators.contract import GeneratorContract

    class TestMyGenerator(GeneratorContract):
        def make_generator(self) -> MyGenerator:
            return MyGenerator("my/model")

Needs pytest, and nothing else: the tests run their own event loops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

import pytest
from PIL import Image, ImageChops, ImageDraw
from pydantic import JsonValue

from rr_refine.component import most_sources
from rr_refine.contract import WEIRD_TEXTS, PartContract, require_members
from rr_refine.errors import GeneratorError, UnsupportedRequestError
from rr_refine.generators.generator import Generator, RenderRequest
from rr_refine.generators.prompt_fit import CanFit, fit_of
from rr_refine.terms import Task

__all__ = ["GeneratorContract"]

_TASKS: tuple[Task, ...] = ("t2i", "edit")


class GeneratorContract(PartContract[Generator, Image.Image]):
    """Subclass it as `Test…` and say how to make the generator."""

    _error = GeneratorError
    prompt: ClassVar[str] = "a red cube on a white table"
    """A text-to-image prompt that the generator can do something with."""
    instruction: ClassVar[str] = "make the cube blue"
    """An instruction for an edit of `make_source()`."""
    parameters: ClassVar[Mapping[str, JsonValue]] = {}
    """Parameters of every request; use them to keep renders small and quick."""
    seeded: ClassVar[bool] = True
    """False for a generator that cannot repeat a request; what needs repeating is then skipped."""
    weird_prompts: ClassVar[Mapping[str, str]] = WEIRD_TEXTS
    """Things that users type or paste. Each must give an image or a GeneratorError."""

    def make_generator(self) -> Generator:
        """Make a new generator; called once or twice per test, so share heavy weights yourself."""
        raise NotImplementedError("say how to make the generator: def make_generator(self)")

    def make_source(self) -> Image.Image:
        """The picture to edit."""
        image = Image.new("RGB", (64, 64), "white")
        ImageDraw.Draw(image).rectangle((16, 16, 48, 48), fill="red")
        return image

    def test_it_is_a_generator(self) -> None:
        """It has the protocol's three members and at least one task."""
        generator = self.make_generator()
        require_members(generator, "identity", "tasks", "generate")
        assert generator.tasks, "a generator that can do nothing"
        assert generator.tasks <= set(_TASKS), f"unknown tasks in {generator.tasks!r}"

    def test_renders_rgb(self) -> None:
        """Each task gives an RGB image that is not blank."""

        async def check(generator: Generator) -> None:
            for request in self._requests(generator):
                image = await self._render(generator, request)
                assert image.getbbox() is not None, f"{request.task}: the image is all black"

        self._run(check)

    def test_same_request_gives_the_same_image(self) -> None:
        """Pixel for pixel."""
        self._skip_unless_seeded()

        async def check(generator: Generator) -> None:
            for request in self._requests(generator):
                first = await generator.generate(request)
                again = await generator.generate(request)
                assert _same(first, again), f"{request.task}: the same request, another image"

        self._run(check)

    def test_another_seed_gives_another_image(self) -> None:
        """The seed has an effect."""

        async def check(generator: Generator) -> None:
            for one, other in zip(
                self._requests(generator, 1), self._requests(generator, 2), strict=True
            ):
                first, second = await generator.generate(one), await generator.generate(other)
                assert not _same(first, second), f"{one.task}: the seed has no effect"

        self._run(check)

    def test_concurrent_calls_equal_single_calls(self) -> None:
        """A batched image equals its single run."""

        async def check(generator: Generator) -> None:
            requests = [r for seed in (1, 2) for r in self._requests(generator, seed)]
            together = await asyncio.gather(*(generator.generate(r) for r in requests))
            if not self.seeded:
                return
            for request, batched in zip(requests, together, strict=True):
                alone = await generator.generate(request)
                what = f"{request.task}, seed {request.seed}"
                assert _same(alone, batched), f"{what}: rendered beside others, another image"

        self._run(check)

    def test_refuses_a_task_that_it_does_not_do(self) -> None:
        """It does not pretend."""

        async def check(generator: Generator) -> None:
            missing = [task for task in _TASKS if task not in generator.tasks]
            if not missing:
                pytest.skip("it does every task")
            for task in missing:
                with pytest.raises(UnsupportedRequestError):
                    await generator.generate(self._request(task))

        self._run(check)

    def test_refuses_a_parameter_that_it_does_not_know(self) -> None:
        """A parameter without effect is an error that names it."""

        async def check(generator: Generator) -> None:
            for request in self._requests(generator):
                parameters = {**request.parameters, "no_such_parameter": 1}
                odd = RenderRequest(request.prompt, request.seed, request.source, parameters)
                with pytest.raises(UnsupportedRequestError, match="no_such_parameter"):
                    await generator.generate(odd)

        self._run(check)

    def test_leaves_the_source_alone(self) -> None:
        """The source picture is read, never drawn upon."""

        async def check(generator: Generator) -> None:
            if "edit" not in generator.tasks:
                pytest.skip("it does no edits")
            request = self._request("edit")
            assert request.source is not None
            before = request.source.copy()
            await generator.generate(request)
            assert _same(before, request.source), "the user's own picture was drawn upon"

        self._run(check)

    def test_takes_as_many_sources_as_it_says(self) -> None:
        """Only where it has `most_sources`: each picture has an effect, and one more is refused."""

        async def check(generator: Generator) -> None:
            most = most_sources(generator)
            if most == 1 or "edit" not in generator.tasks:
                pytest.skip("it takes one picture to edit")
            request, other = self._request("edit"), ImageChops.invert(self.make_source())
            two = replace(request, more_sources=(self.make_source(),))
            image = await generator.generate(two)
            if self.seeded:
                changed = await generator.generate(replace(request, more_sources=(other,)))
                assert not _same(image, changed), "the second picture has no effect"
            if most is not None:
                many = replace(request, more_sources=(other,) * most)
                with pytest.raises(UnsupportedRequestError):
                    await generator.generate(many)

        self._run(check)

    def test_steps_count_up(self) -> None:
        """`on_step` counts up to a total that stays the same, or is never called."""

        async def check(generator: Generator) -> None:
            steps: list[tuple[int, int]] = []
            request = self._requests(generator)[0]
            await generator.generate(
                request, on_step=lambda done, total: steps.append((done, total))
            )
            done = [step for step, _ in steps]
            assert done == sorted(set(done)), f"steps do not count up: {done}"
            assert len({total for _, total in steps}) <= 1, f"the total changes: {steps}"
            assert all(1 <= step <= total for step, total in steps), f"out of range: {steps}"

        self._run(check)

    def test_what_it_says_it_reads_is_what_it_reads(self) -> None:
        """Only where it has `fit_prompt`: prompts that it says are read alike give one picture."""

        async def check(generator: Generator) -> None:
            if not isinstance(generator, CanFit):
                pytest.skip("it does not tell how much of a prompt it reads")
            for request in self._requests(generator):
                long = request.prompt + " and a red ball" * 2000
                one, other = (replace(request, prompt=f"{long} {end}") for end in ("cat", "dog"))
                fit, other_fit = await fit_of(generator, one), await fit_of(generator, other)
                assert fit is not None and other_fit is not None
                assert fit.cut in one.prompt, "the words that are cut are none of the prompt"
                if fit.reads is None or fit.reads != other_fit.reads:
                    continue
                assert fit.cut, "two prompts are read alike, and nothing is cut"
                if self.seeded:
                    images = [await generator.generate(each) for each in (one, other)]
                    assert _same(*images), "two prompts are read alike, and the pictures differ"

        self._run(check)

    def _make(self) -> Generator:
        return self.make_generator()

    async def _ask(self, part: Generator, number: int = 0) -> Image.Image:
        requests = self._requests(part)
        return await self._render(part, requests[number % len(requests)])

    def _weird(self, part: Generator) -> Iterator[tuple[str, Awaitable[object]]]:
        for name, prompt in self.weird_prompts.items():
            for task in sorted(part.tasks):
                yield f"{task}, {name}", self._render(part, self._request(task, prompt=prompt))

    def _require_alike(self, first: Image.Image, second: Image.Image) -> None:
        if self.seeded:
            assert _same(first, second), "asked once more, another image"

    async def _render(self, generator: Generator, request: RenderRequest) -> Image.Image:
        image = await generator.generate(request)
        assert isinstance(image, Image.Image), f"{request.task}: {image!r} is no image"
        assert image.mode == "RGB", f"{request.task}: the mode is {image.mode}, not RGB"
        return image

    def _request(self, task: Task, seed: int = 1, *, prompt: str | None = None) -> RenderRequest:
        if task == "edit":
            text = self.instruction if prompt is None else prompt
            return RenderRequest(text, seed, self.make_source(), dict(self.parameters))
        text = self.prompt if prompt is None else prompt
        return RenderRequest(text, seed, parameters=dict(self.parameters))

    def _requests(self, generator: Generator, seed: int = 1) -> list[RenderRequest]:
        return [self._request(task, seed) for task in _TASKS if task in generator.tasks]

    def _skip_unless_seeded(self) -> None:
        if not self.seeded:
            pytest.skip("it cannot repeat a request")


def _same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None
