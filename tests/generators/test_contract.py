"""The contract itself: each of its tests fails for a generator that breaks just that rule."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from uuid import uuid4

import pytest
from PIL import Image

from rr_refine import generators
from rr_refine.errors import UnsupportedRequestError
from rr_refine.generators import FakeGenerator, Generator, GeneratorContract, OnStep, RenderRequest
from rr_refine.generators.fake import FakeOptions
from rr_refine.generators.prompt_fit import PromptFit
from rr_refine.terms import Identity, Task

SMALL = FakeOptions(width=32, height=32)


class Good(FakeGenerator):
    """Keeps every rule; each other class here breaks one."""

    def __init__(self) -> None:
        super().__init__(SMALL)


class NoTasks(Good):
    tasks = frozenset()


class OtherIdentity(Good):
    def __init__(self) -> None:
        super().__init__()
        self.name = uuid4().hex  # not id(self): a later object may have the same

    @property
    def identity(self) -> Identity:
        return Identity(kind="fake", name=self.name)


class MovingIdentity(Good):
    calls = 0

    @property
    def identity(self) -> Identity:
        type(self).calls += 1
        return Identity(kind="fake", name=str(self.calls))


class Transparent(Good):
    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        return (await super().generate(request)).convert("RGBA")


class Black(Good):
    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        return Image.new("RGB", (32, 32))


class Restless(Good):
    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        seed = random.randrange(2**60)
        return await super().generate(RenderRequest(request.prompt, seed, request.source))


class Seedless(Good):
    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        return await super().generate(RenderRequest(request.prompt, 1, request.source))


class MixedBatches(Good):
    """A render is tinted by those beside it."""

    under_way = 0

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        self.under_way += 1
        try:
            await asyncio.sleep(0.001)
            prompt = request.prompt * self.under_way
            return await super().generate(RenderRequest(prompt, request.seed, request.source))
        finally:
            self.under_way -= 1


class PretendsToEdit(Good):
    @property
    def tasks(self) -> frozenset[Task]:
        return frozenset(("t2i",))


class TakesAnything(Good):
    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        return await super().generate(RenderRequest(request.prompt, request.seed, request.source))


class DrawsOnTheSource(Good):
    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        image = await super().generate(request)
        if request.source is not None:
            request.source.paste(image)
        return image


class SeesTheFirst(Good):
    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        return await super().generate(replace(request, more_sources=()))


class TakesTooMany(Good):
    most_sources = 2


class DiesOfCancellation(Good):
    dead = False

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        try:
            await asyncio.sleep(0)
            return await super().generate(request)
        except asyncio.CancelledError:
            raise RuntimeError("the worker thread is gone") from None


class CountsDown(Good):
    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        if on_step is not None:
            on_step(2, 4)
            on_step(1, 4)
        return await super().generate(request)


class ChokesOnNul(Good):
    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        if "\0" in request.prompt:
            raise ValueError("embedded null byte")
        return await super().generate(request)


class OverstatesTheCut(Good):
    """Says that it reads the first word only, and reads all."""

    async def fit_prompt(self, request: RenderRequest) -> PromptFit:
        first, _, rest = request.prompt.partition(" ")
        return PromptFit(limit=1, cut=rest, reads=first)


class ConnectsOnce(Good):
    connected = False

    async def connect(self) -> None:
        assert not self.connected
        self.connected = True


class BoundToOneLoop(Good):
    def __init__(self) -> None:
        super().__init__()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        self.loop = self.loop or asyncio.get_running_loop()
        if self.loop is not asyncio.get_running_loop():
            raise RuntimeError("attached to a different loop")
        return await super().generate(request)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (object, "test_it_is_a_generator"),
        (NoTasks, "test_it_is_a_generator"),
        (Transparent, "test_renders_rgb"),
        (Black, "test_renders_rgb"),
        (OtherIdentity, "test_identity_is_stable"),
        (MovingIdentity, "test_identity_is_stable"),
        (Restless, "test_same_request_gives_the_same_image"),
        (Seedless, "test_another_seed_gives_another_image"),
        (MixedBatches, "test_concurrent_calls_equal_single_calls"),
        (PretendsToEdit, "test_refuses_a_task_that_it_does_not_do"),
        (TakesAnything, "test_refuses_a_parameter_that_it_does_not_know"),
        (DrawsOnTheSource, "test_leaves_the_source_alone"),
        (SeesTheFirst, "test_takes_as_many_sources_as_it_says"),
        (TakesTooMany, "test_takes_as_many_sources_as_it_says"),
        (DiesOfCancellation, "test_cancelling_leaves_it_usable"),
        (CountsDown, "test_steps_count_up"),
        (ChokesOnNul, "test_weird_prompts"),
        (OverstatesTheCut, "test_what_it_says_it_reads_is_what_it_reads"),
        (BoundToOneLoop, "test_works_from_two_event_loops"),
        (ConnectsOnce, "test_another_run_may_connect_it"),
    ],
)
def test_a_broken_rule_is_noticed(broken: type[Generator], rule: str) -> None:
    class Contract(GeneratorContract):
        def make_generator(self) -> Generator:
            return broken()

    # Whatever fails: an assertion, a missing exception, or the generator's own.
    with pytest.raises((AssertionError, RuntimeError, pytest.fail.Exception)):
        getattr(Contract(), rule)()


def test_every_rule_is_broken_above() -> None:
    rules = {name for name in dir(GeneratorContract) if name.startswith("test_")}
    (mark,) = test_a_broken_rule_is_noticed.pytestmark  # type: ignore[attr-defined]
    assert {rule for _, rule in mark.args[1]} == rules


def test_the_generator_has_to_be_named() -> None:
    with pytest.raises(NotImplementedError, match="def make_generator"):
        GeneratorContract().test_renders_rgb()


class TestAGeneratorOfEditsOnly(GeneratorContract):
    """The contract asks for nothing that a generator says it does not do."""

    def make_generator(self) -> Generator:
        return EditsOnly()


class EditsOnly(Good):
    @property
    def tasks(self) -> frozenset[Task]:
        return frozenset(("edit",))

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        if request.source is None:
            raise UnsupportedRequestError("no source picture")
        return await super().generate(request, on_step=on_step)


def test_every_name_of_the_package_is_there() -> None:
    for name in generators.__all__:
        assert getattr(generators, name).__name__ == name or name == "OnStep"
    assert dir(generators) == sorted(generators.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = generators.Nothing
