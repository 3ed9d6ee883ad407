"""Grading by a judge: its questions are put, its answers read, and every raw answer is kept."""

from __future__ import annotations

import asyncio
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.item import Item, Mark
from rr_refine.benchmarks.published.protocol import Answers, Published
from rr_refine.benchmarks.question import Judge, Question
from rr_refine.digest import digest, image_digest
from rr_refine.errors import ConfigError, CriticAnswerError, CriticUnreadable
from rr_refine.reward.judging import gather
from rr_refine.terms import Identity, Usage

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ATTEMPTS", "Judging", "StandIn"]

ATTEMPTS: Final = 4
"""Times that a picture is put to the judge until its answers can be read. The official scripts try
11 times (UniGenBench), once (ImgEdit) or without an end (GEdit-Bench)."""


class StandIn:
    """In place of a judge: answers that mean nothing, the same for the same picture."""

    identity: Final = Identity(kind="fake", name="stand-in")

    def answers(self, published: Published, item: Item, name: str, turn: int) -> Answers:
        """Answers in the form of the benchmark, decided by the picture's digest."""
        return published.write_answers(item, Random(f"{item.id} {name} {turn}"))


class Judging:
    """Marks pictures of a published benchmark. Safe to use by many runs at once.

    A picture of an item is judged once, whoever asks. Answers that cannot be read are kept, and
    asked for again up to `attempts` times; a picture that stays without a mark is owed again in
    the next session.

    Args:
        published: asks and reads.
        judge: connected.
        cache: where answers are kept.
        attempts: at least 1.
    """

    def __init__(
        self, published: Published, judge: Judge | StandIn, cache: Cache, attempts: int = ATTEMPTS
    ) -> None:
        if attempts < 1:
            raise ConfigError(f"judge attempts = {attempts} would ask nothing; give at least 1")
        self._published = published
        self._judge = judge
        self._cache = cache
        self._attempts = attempts

    async def mark(self, item: Item, image: Image.Image, turn: int = 0) -> Mark:
        """The mark of a picture.

        Args:
            turn: another number asks anew, to see how far the judge agrees with itself.

        Raises:
            CriticError: the judge cannot be asked, or none of its answers can be read.
            StoreError: an answer cannot be kept, or the source picture cannot be read.
        """
        name = await asyncio.to_thread(image_digest, image)
        key = self._key(item, name, turn)
        async with self._cache.lock(key):
            if (kept := self._kept(key)) is not None:
                return self._published.read(item, kept)
            return await self._ask(item, image, name, turn)

    def answers(self, item: Item, image: str, turn: int = 0) -> Answers | None:
        """The kept answers about a picture, by its digest; None where there are none that can be
        read.
        """
        return self._kept(self._key(item, image, turn))

    async def _ask(self, item: Item, image: Image.Image, name: str, turn: int) -> Mark:
        """Ask until the answers can be read."""
        key = self._key(item, name, turn)
        if isinstance(self._judge, StandIn):
            made = self._judge.answers(self._published, item, name, turn)
            self._cache.keep("judgement", key, {"answers": list(made)})
            return self._published.read(item, made)
        questions = await asyncio.to_thread(self._published.questions, item, image)
        failed: CriticAnswerError | None = None
        for attempt in range(1, self._attempts + 1):
            try:
                answers, usage = await self._put(questions)
                mark = self._published.read(item, answers)
            except CriticAnswerError as error:
                raw: list[JsonValue] = [error.raw]
                self._cache.keep("unreadable", f"{key} {self._next(key)}", {"answers": raw})
                failed = error
                continue
            value: dict[str, JsonValue] = {
                "answers": list(answers),
                "usage": usage.model_dump(mode="json"),
                "attempts": attempt,
            }
            self._cache.keep("judgement", key, value)
            return mark
        assert failed is not None
        raise CriticUnreadable(
            f"no answer of the judge about {item.id!r} could be read in {self._attempts} attempts; "
            f"the last: {failed}",
            failed.raw,
        ) from failed

    async def _put(self, questions: tuple[Question, ...]) -> tuple[Answers, Usage]:
        assert not isinstance(self._judge, StandIn)
        replies = await gather(*(self._judge.ask(question) for question in questions))
        return (
            tuple(reply.text for reply in replies),
            sum((reply.usage for reply in replies), Usage()),
        )

    def _kept(self, key: str) -> Answers | None:
        found = self._cache.find("judgement", key)
        if found is None:
            return None
        answers = found["answers"]
        assert isinstance(answers, list)
        return tuple(str(answer) for answer in answers)

    def _next(self, key: str) -> int:
        """The number of the next unreadable answers; those of earlier sessions stay."""
        return next(n for n in count() if self._cache.find("unreadable", f"{key} {n}") is None)

    def _key(self, item: Item, image: str, turn: int) -> str:
        return digest(
            {
                "by": self._judge.identity.model_dump(mode="json"),
                "of": self._published.name,
                "words": self._published.wording,
                "item": item.id,
                "prompt": item.prompt,
                "image": image,
                "turn": turn,
            }
        )
