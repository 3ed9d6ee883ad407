"""Grading by a judge: its questions are put, its answers read, and every raw answer is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import count, takewhile, zip_longest
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from rr_refine.batching import gather
from rr_refine.benchmarks.answers import JudgeAnswer
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.item import Benchmark, Grader, Item, Mark
from rr_refine.benchmarks.protocol import Answers, AsksJudge
from rr_refine.benchmarks.question import GradingJudge, Judge, Question
from rr_refine.benchmarks.sources import pixels_of
from rr_refine.digest import digest, image_digest
from rr_refine.errors import ConfigError, CriticAnswerError, CriticUnreadable, StoreError
from rr_refine.files import read_file, replace_file
from rr_refine.plain_text import quoted
from rr_refine.room import Room
from rr_refine.terms import Identity, Record, Usage

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ATTEMPTS", "FakeJudge", "JudgeFile", "Judging"]

ATTEMPTS: Final = 4
"""Times that a picture is put to the judge until its answers can be read. The official scripts try
11 times (UniGenBench), once (ImgEdit) or without an end (GEdit-Bench)."""
_ASKED: Final = 2**25
"""Pixels that are put to the judge at once: as they are sent, one takes up to 16 bytes."""


class FakeJudge:
    """In place of a judge: answers without meaning, the same for the same picture."""

    identity: Final = Identity(kind="fake", name="stand-in")

    def answers(self, benchmark: AsksJudge, item: Item, name: str, turn: int) -> Answers:
        """Answers in the form of the benchmark, decided by the picture's digest."""
        return benchmark.write_answers(item, Random(f"{item.id} {name} {turn}"))


class Judging:
    """Marks pictures of a benchmark. Safe to use by many runs at once.

    A picture of an item is judged once, whoever asks. Answers that cannot be read are kept, and
    asked for again up to `attempts` times; a picture that stays without a mark is judged again
    in the next session.

    Args:
        benchmark: asks and reads.
        judge: connected.
        cache: where answers are kept.
        attempts: at least 1.
    """

    def __init__(
        self, benchmark: AsksJudge, judge: Judge | FakeJudge, cache: Cache, attempts: int = ATTEMPTS
    ) -> None:
        if attempts < 1:
            raise ConfigError(f"judge attempts = {attempts} would ask nothing; give at least 1")
        self._benchmark = benchmark
        self._judge = judge
        self._cache = cache
        self._attempts = attempts
        self._room = Room(_ASKED)

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
                return self._benchmark.read(item, kept)
            if isinstance(self._judge, FakeJudge):
                answers = self._judge.answers(self._benchmark, item, name, turn)
                self._cache.keep("judgement", key, {"answers": list(answers)})
                return self._benchmark.read(item, answers)
            source = await asyncio.to_thread(pixels_of, item.source)
            async with self._room.held(source + image.width * image.height):
                questions = await asyncio.to_thread(self._benchmark.questions, item, image)
                return await self._ask(self._judge, item, questions, key)

    def said(self, item: Item, image: str) -> Iterator[JudgeAnswer]:
        """All kept answers about a picture, by its digest, attempt by attempt."""
        for turn in (0, 1):
            key = self._key(item, image, turn)
            unread = (self._cache.find("unreadable", f"{key} {n}") for n in count())
            attempts = [(value, False) for value in takewhile(bool, unread) if value]
            if (kept := self._cache.find("judgement", key)) is not None:
                attempts.append((kept, True))
            for attempt, (value, readable) in enumerate(attempts, 1):
                texts, asked = _list(value.get("answers")), _list(value.get("questions"))
                for number, (answer, question) in enumerate(zip_longest(texts, asked), 1):
                    if answer is not None:
                        yield JudgeAnswer(
                            item=item.id,
                            image=image,
                            turn=turn,
                            attempt=attempt,
                            question=number,
                            asked=question,
                            answer=answer,
                            readable=readable,
                            error=str(value.get("error", "")),
                        )

    async def _ask(
        self, judge: Judge, item: Item, questions: tuple[Question, ...], key: str
    ) -> Mark:
        """Ask until the answers can be read."""
        failed: CriticAnswerError | None = None
        for attempt in range(1, self._attempts + 1):
            replies = None
            try:
                replies = await gather(*(judge.ask(question) for question in questions))
                answers = tuple(reply.answer for reply in replies)
                mark = self._benchmark.read(item, answers)
            except CriticAnswerError as error:
                unread: dict[str, JsonValue] = {
                    "answers": [error.raw] if replies is None else [r.answer for r in replies],
                    "questions": _texts(questions),
                    "error": str(error),
                }
                self._cache.keep("unreadable", f"{key} {self._next(key)}", unread)
                failed = error
                continue
            usage = sum((reply.usage for reply in replies), Usage())
            value: dict[str, JsonValue] = {
                "answers": list(answers),
                "questions": _texts(questions),
                "usage": usage.model_dump(mode="json"),
                "attempts": attempt,
            }
            self._cache.keep("judgement", key, value)
            return mark
        assert failed is not None
        raise CriticUnreadable(
            f"no answer of the judge about {quoted(item.id)} could be read in {self._attempts} "
            f"attempts; the last: {failed}",
            failed.raw,
        ) from failed

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
                "of": self._benchmark.name,
                "words": self._benchmark.wording,
                "item": item.id,
                "prompt": item.prompt,
                "image": image,
                "turn": turn,
            }
        )


def _texts(questions: Sequence[Question]) -> list[JsonValue]:
    """Their words, without their pictures."""
    return [
        "\n".join(p for p in (q.system, *q.content) if isinstance(p, str) and p) for q in questions
    ]


def _list(value: JsonValue) -> list[str]:
    return list(map(str, value)) if isinstance(value, list) else []


class _Asked(Record):
    """What judge.json holds."""

    judge: Identity
    wording: str
    files: dict[str, str]

    def __str__(self) -> str:
        files = ", ".join(f"{name} {digest[:8]}" for name, digest in self.files.items())
        return f"{self.judge.name!r} in words {self.wording!r} about {files}"


class JudgeFile:
    """OUT/judge.json: whose marks are in the folder, so that those of two judges are never mixed.

    Args:
        judge: connected; None where nothing is judged now.

    Raises:
        ConfigError: another judge, or one that was asked in other words or about other files, was
            at work here, or there is none now.
        StoreError: the file cannot be read.
    """

    def __init__(
        self, out: Path, benchmark: Benchmark, judge: Judge | GradingJudge | FakeJudge | None
    ) -> None:
        self._path = out / "judge.json"
        self._mine: _Asked | None = None
        if judge is not None:
            wording = benchmark.wording if isinstance(benchmark, AsksJudge) else ""
            files = dict(benchmark.files)
            self._mine = _Asked(judge=judge.identity, wording=wording, files=files)
        try:
            theirs = _Asked.model_validate_json(read_file(self._path))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise StoreError(f"{self._path} cannot be read: {error}") from error
        if self._mine is None:
            raise ConfigError(
                f"{str(out)!r} was judged by {theirs}: go on with the same judge, or give "
                "another --out"
            )
        if theirs != self._mine:
            raise ConfigError(
                f"{str(out)!r} was judged by {theirs}, and this would be {self._mine}: marks of "
                "two judges cannot be compared; give another --out"
            )

    def before(self, grade: Grader) -> Grader:
        """`grade`, but whose marks these are is on disk before the first of them."""

        async def graded(item: Item, image: Image.Image) -> Mark:
            if self._mine is not None and not self._path.exists():
                data = self._mine.model_dump_json(indent=1).encode() + b"\n"
                await asyncio.to_thread(replace_file, self._path, data, durable=True)
            return await grade(item, image)

        return graded
