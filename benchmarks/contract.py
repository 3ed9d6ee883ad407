"""What every judge of benchmarks must do, as tests that you run on your own.

    from rr_refine.benchmarks.contract import JudgeContract

    class TestMyJudge(JudgeContract):
        def make_judge(self) -> MyJudge:
            return MyJudge()

Needs pytest, and nothing else: the tests run their own event loops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from typing import ClassVar, Final, TypeAlias

from PIL import Image, ImageChops, ImageDraw

from rr_refine.benchmarks.item import Item, Mark
from rr_refine.benchmarks.question import GradingJudge, Judge, Question, Reply, can_grade
from rr_refine.contract import WEIRD_TEXTS, PartContract, require_members
from rr_refine.errors import CriticError

__all__ = ["JudgeContract"]

_Answer: TypeAlias = Reply | Mark
_COLOURS: Final = ("red", "green", "blue", "black")


class JudgeContract(PartContract[Judge | GradingJudge, _Answer]):
    """Subclass it as `Test…` and say how to make the judge, which answers or grades."""

    _error = CriticError
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

    def test_answers(self) -> None:
        """A judge that grades gives marks, and one that answers a text."""
        self._run(self._ask)

    def test_concurrent_calls_equal_single_calls(self) -> None:
        """No answer ends up with another picture."""

        async def check(judge: Judge | GradingJudge) -> None:
            together = await asyncio.gather(*(self._ask(judge, n) for n in range(len(_COLOURS))))
            for number, answer in enumerate(together if self.deterministic else ()):
                alone, colour = await self._ask(judge, number), _COLOURS[number]
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

    def _make(self) -> Judge | GradingJudge:
        return self.make_judge()

    async def _ask(self, part: Judge | GradingJudge, number: int = 0) -> _Answer:
        return await self._put(part, self.prompt, self.make_image(_COLOURS[number]))

    def _weird(self, part: Judge | GradingJudge) -> Iterator[tuple[str, Awaitable[object]]]:
        for name, text in self.weird_texts.items():
            yield name, self._put(part, text, self.make_image())

    async def _put(self, judge: Judge | GradingJudge, text: str, image: Image.Image) -> _Answer:
        if can_grade(judge):
            answer: _Answer = await judge.grade(Item(id="contract", prompt=text), image)
        else:
            words = f"Does the picture show this? {text}\nAnswer Yes or No."
            answer = await judge.ask(Question((words, image)))
        _check(answer)
        return answer


def _said(answer: _Answer) -> object:
    return answer.text if isinstance(answer, Reply) else answer


def _check(answer: object) -> None:
    assert isinstance(answer, Reply | Mark), f"{answer!r} is neither a Reply nor a Mark"
    if isinstance(answer, Reply):
        assert isinstance(answer.text, str), f"text = {answer.text!r} is no text"
