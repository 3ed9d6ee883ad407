"""The contract of judges: both kinds keep it, and each test sees a broken one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from statistics import fmean
from typing import Any

import pytest
from PIL import Image, ImageDraw

from rr_refine.benchmarks.contract import JudgeContract
from rr_refine.benchmarks.item import Item, Mark
from rr_refine.benchmarks.question import Question, Reply
from rr_refine.terms import Identity, Usage


class Grades:
    """A judge that keeps every promise."""

    def __init__(self) -> None:
        self.identity = Identity(kind="grades", name="grades")

    async def grade(self, item: Item, image: Image.Image) -> Mark:
        await asyncio.sleep(0)
        made: Mark = self.mark(item, image)
        return made

    def mark(self, item: Item, image: Image.Image) -> Any:
        return Mark(exact=False, score=fmean(image.tobytes()) / 64)


class TestGrades(JudgeContract):
    def make_judge(self) -> Grades:
        return Grades()


class Answers:
    identity = Identity(kind="answers", name="answers")

    async def ask(self, question: Question) -> Reply:
        text, image = question.content
        assert isinstance(text, str) and not isinstance(image, str)
        return Reply(f"{len(text)}: {image.getpixel((20, 20))}", Usage(calls=1))


class TestAnswers(JudgeContract):
    def make_judge(self) -> Answers:
        return Answers()


class AnswersNothing(Answers):
    async def ask(self, question: Question) -> Any:
        return Reply(None, Usage())  # type: ignore[arg-type]


class Others(Grades):
    made = 0

    def __init__(self) -> None:
        Others.made += 1
        self.identity = Identity(kind="grades", name=f"number {Others.made}")


class Counts(Grades):
    def mark(self, item: Item, image: Image.Image) -> Mark:
        self.identity = Identity(kind="grades", name=f"{self.identity.name}+")
        return Mark(exact=False, score=1.0)


class Number(Grades):
    def mark(self, item: Item, image: Image.Image) -> float:
        return 3.0


class Mixes(Grades):
    last: Image.Image

    async def grade(self, item: Item, image: Image.Image) -> Mark:
        self.last = image
        await asyncio.sleep(0)
        made: Mark = self.mark(item, self.last)
        return made


class Draws(Grades):
    def mark(self, item: Item, image: Image.Image) -> Mark:
        ImageDraw.Draw(image).rectangle((0, 0, 9, 9), fill="black")
        return Mark(exact=False, score=1.0)


class Swallows(Grades):
    async def grade(self, item: Item, image: Image.Image) -> Mark:
        try:
            return await super().grade(item, image)
        except asyncio.CancelledError:
            raise KeyError("cancelled") from None


class Chokes(Grades):
    def mark(self, item: Item, image: Image.Image) -> Mark:
        item.prompt.encode()
        return Mark(exact=False, score=1.0)


class ConnectsOnce(Grades):
    connected = False

    async def connect(self) -> None:
        assert not self.connected
        self.connected = True


class OneLoop(Grades):
    loop: asyncio.AbstractEventLoop | None = None

    async def grade(self, item: Item, image: Image.Image) -> Mark:
        self.loop = self.loop or asyncio.get_running_loop()
        assert self.loop is asyncio.get_running_loop()
        return await super().grade(item, image)


@pytest.mark.parametrize(
    ("made", "test"),
    [
        (object, "it_is_a_judge"),
        (Others, "identity_is_stable"),
        (Counts, "identity_is_stable"),
        (Number, "answers"),
        (AnswersNothing, "answers"),
        (Mixes, "concurrent_calls_equal_single_calls"),
        (Draws, "leaves_the_picture_alone"),
        (Swallows, "cancelling_leaves_it_usable"),
        (Chokes, "weird_prompts"),
        (OneLoop, "works_from_two_event_loops"),
        (ConnectsOnce, "another_run_may_connect_it"),
    ],
)
def test_a_broken_judge_is_seen(made: Callable[[], Any], test: str) -> None:
    contract = JudgeContract()
    contract.make_judge = made  # type: ignore[method-assign]
    with pytest.raises(AssertionError):
        getattr(contract, f"test_{test}")()


def test_every_test_can_fail() -> None:
    (mark,) = test_a_broken_judge_is_seen.pytestmark
    tried = {f"test_{test}" for _, test in mark.args[1]}
    assert tried == {name for name in dir(JudgeContract) if name.startswith("test_")}
