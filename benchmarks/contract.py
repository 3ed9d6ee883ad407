"""What every judge of benchmarks must do, as tests that you run on your own.

    from rr_refine.benchmarks.contract import JudgeContract

    class TestMyJudge(JudgeContract):
        def make_judge(self) -> MyJudge:
            return MyJudge()

Needs pytest, and nothing else: the tests run their own event loops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import ClassVar, TypeAlias, TypeVar

from PIL import Image, ImageChops, ImageDraw

from rr_refine.benchmarks.item import Item, Mark
from rr_refine.benchmarks.question import GradingJudge, Judge, Question, Reply, can_grade
from rr_refine.contract import WEIRD_TEXTS, closing, json_of, require_members
from rr_refine.errors import CriticError

__all__ = ["JudgeContract"]

T = TypeVar("T")

_Answer: TypeAlias = Reply | Mark


class JudgeContract:
    """Subclass it as `Test…` and say how to make the judge, which answers or grades."""

    prompt: ClassVar[str] = "a red cube on a white table"
    """What a picture was made of."""
    deterministic: ClassVar[bool] = True
    """False for a judge that samples; what needs repeating is then skipped."""
    weird_texts: ClassVar[Mapping[str, str]] = WEIRD_TEXTS
    """Prompts of users. Each must give an answer or a CriticError."""

    def make_judge(self) -> Judge | GradingJudge:
        """Make a new judge; called once or twice per test, so share heavy weights yourself."""
        raise NotImplementedError("say how to make the judge: def make_judge(self)")

    def make_image(self, colour: str = "red") -> Image.Image:
        """A picture to judge."""
        image = Image.new("RGB", (64, 64), "white")
        ImageDraw.Draw(image).rectangle((16, 16, 48, 48), fill=colour)
        return image

    def test_it_is_a_judge(self) -> None:
        """It has the members of one of the protocols."""
        judge = self.make_judge()
        require_members(judge, "identity", "grade" if can_grade(judge) else "ask")

    def test_identity_is_stable(self) -> None:
        """The identity is JSON, stays the same, and is equal for two made alike."""

        async def identify(judge: Judge | GradingJudge) -> str:
            await self._ask(judge)
            first = json_of(judge)
            await self._ask(judge, "blue")
            assert json_of(judge) == first, "the identity changed between two answers"
            return first

        one, other = self._run(identify), self._run(identify)
        assert one == other, "two judges made alike have different identities"

    def test_answers(self) -> None:
        """A judge that grades gives marks, and one that answers a text."""

        async def check(judge: Judge | GradingJudge) -> None:
            _check(await self._ask(judge))

        self._run(check)

    def test_concurrent_calls_equal_single_calls(self) -> None:
        """No answer ends up with another picture."""

        async def check(judge: Judge | GradingJudge) -> None:
            colours = ("red", "green", "blue", "black")
            together = await asyncio.gather(*(self._ask(judge, colour) for colour in colours))
            for colour, answer in zip(colours, together, strict=True):
                _check(answer)
                if self.deterministic:
                    alone = await self._ask(judge, colour)
                    assert _said(alone) == _said(answer), f"{colour}: beside others, another answer"

        self._run(check)

    def test_leaves_the_picture_alone(self) -> None:
        """The picture is read, never drawn upon."""

        async def check(judge: Judge | GradingJudge) -> None:
            image = self.make_image()
            before = image.copy()
            await self._put(judge, self.prompt, image)
            assert image.size == before.size, "the picture was resized"
            assert ImageChops.difference(image, before).getbbox() is None, "it was drawn upon"

        self._run(check)

    def test_cancelling_leaves_it_usable(self) -> None:
        """A cancelled call ends as cancelled, and the next one works."""

        async def check(judge: Judge | GradingJudge) -> None:
            call = asyncio.ensure_future(self._ask(judge))
            await asyncio.sleep(0)
            call.cancel()
            (ended,) = await asyncio.gather(call, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError | Reply | Mark), (
                f"a cancelled call ended with {ended!r}"
            )
            _check(await self._ask(judge))

        self._run(check)

    def test_weird_texts(self) -> None:
        """Whatever a prompt holds gives an answer or a CriticError."""

        async def check(judge: Judge | GradingJudge) -> None:
            for name, text in self.weird_texts.items():
                try:
                    answer = await self._put(judge, text, self.make_image())
                except CriticError:
                    continue
                except Exception as error:
                    raise AssertionError(f"{name}: {error!r} instead of a CriticError") from error
                _check(answer)

        self._run(check)

    def test_works_from_two_event_loops(self) -> None:
        """Nothing of the first event loop is needed in the second."""
        judge = self.make_judge()
        for _ in range(2):
            _check(asyncio.run(closing(judge, self._ask(judge))))

    async def _ask(self, judge: Judge | GradingJudge, colour: str = "red") -> _Answer:
        return await self._put(judge, self.prompt, self.make_image(colour))

    async def _put(self, judge: Judge | GradingJudge, text: str, image: Image.Image) -> _Answer:
        if can_grade(judge):
            return await judge.grade(Item(id="contract", prompt=text), image)
        words = f"Does the picture show this? {text}\nAnswer Yes or No."
        return await judge.ask(Question((words, image)))

    def _run(self, check: Callable[[Judge | GradingJudge], Coroutine[object, object, T]]) -> T:
        judge = self.make_judge()
        return asyncio.run(closing(judge, check(judge)))


def _said(answer: _Answer) -> object:
    return answer.text if isinstance(answer, Reply) else answer


def _check(answer: object) -> None:
    assert isinstance(answer, Reply | Mark), f"{answer!r} is neither a Reply nor a Mark"
    if isinstance(answer, Reply):
        assert isinstance(answer.text, str), f"text = {answer.text!r} is no text"
