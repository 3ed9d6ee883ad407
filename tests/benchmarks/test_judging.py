"""Answers are kept, asked for again where unreadable, and owed again where they stay so."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from rr_refine.benchmarks.answers import judged_of
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.judging import FakeJudge, Judging
from rr_refine.benchmarks.protocol import JudgedAnswers
from rr_refine.benchmarks.published.unigenbench.benchmark import UniGenBench
from rr_refine.benchmarks.question import Question, Reply
from rr_refine.digest import image_digest
from rr_refine.errors import ConfigError, CriticUnavailable, CriticUnreadable
from rr_refine.terms import Identity, Usage
from tests.benchmarks.published.unigenbench.files import answer, small

PICTURE = Image.new("RGB", (8, 8), "red")
NAME = image_digest(PICTURE)
GOOD = answer(1, 0, 1)[0]


def judged(judging: Judging, bench: UniGenBench) -> JudgedAnswers:
    """What is kept about the first item."""
    return judged_of(judging.said(bench.items[0], NAME), {"0_0": NAME})


class Scripted:
    """A judge that says its lines, the last one again and again."""

    def __init__(self, *lines: str | Exception, name: str = "scripted") -> None:
        self.identity = Identity(kind="scripted", name=name)
        self.lines = list(lines)
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Reply:
        self.asked.append(question)
        line = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
        if isinstance(line, Exception):
            raise line
        return Reply(line, Usage(calls=1))


async def test_a_picture_is_judged_once_whoever_asks(tmp_path: Path) -> None:
    bench = small(tmp_path)
    judge = Scripted(GOOD, answer(0, 0, 0)[0])
    with Cache(tmp_path / "cache") as cache:
        judging = Judging(bench, judge, cache)
        first = await judging.mark(bench.items[0], PICTURE)
        assert first.score == pytest.approx(2 / 3)
        assert first == await judging.mark(bench.items[0], PICTURE)
        assert len(judge.asked) == 1
        assert judged(judging, bench) == {"0_0": (GOOD,)}
    with Cache(tmp_path / "cache") as cache:  # and in another session
        assert first == await Judging(bench, judge, cache).mark(bench.items[0], PICTURE)
        assert len(judge.asked) == 1
        again = await Judging(bench, judge, cache).mark(bench.items[0], PICTURE, turn=1)
        assert (again.score, len(judge.asked)) == (0, 2)
        other = Judging(bench, Scripted(answer(1, 1, 1)[0], name="other"), cache)
        assert (await other.mark(bench.items[0], PICTURE)).exact


async def test_unreadable_answers_are_asked_for_again_and_kept(tmp_path: Path) -> None:
    bench = small(tmp_path)
    judge = Scripted("What a picture!", "<score>[1]</score>", GOOD)
    with Cache(tmp_path / "cache") as cache:
        mark = await Judging(bench, judge, cache, attempts=3).mark(bench.items[0], PICTURE)
        assert mark.score == pytest.approx(2 / 3)
        assert cache.made["unreadable"] == 2
        assert cache.made["judgement"] == 1
        said = list(Judging(bench, judge, cache).said(bench.items[0], NAME))
    assert [(one.attempt, one.answer, one.readable) for one in said] == [
        (1, "What a picture!", False),
        (2, "<score>[1]</score>", False),
        (3, GOOD, True),
    ]
    (question,) = bench.questions(bench.items[0], PICTURE)
    assert {one.asked for one in said} == {question.content[0]}


async def test_what_stays_unreadable_is_a_failure_and_owed_again(tmp_path: Path) -> None:
    bench = small(tmp_path)
    for session in (1, 2):  # nothing is overwritten, nothing counts as done
        judge = Scripted("What a picture!")
        with Cache(tmp_path / "cache") as cache:
            with pytest.raises(CriticUnreadable, match=r"'0_0' could be read in 2 attempts"):
                await Judging(bench, judge, cache, attempts=2).mark(bench.items[0], PICTURE)
            assert len(judge.asked) == 2, session
            assert cache.made["unreadable"] == 2
            found = judged(Judging(bench, judge, cache), bench)
            assert found == {"0_0": None}
            assert found.unread == {"0_0": ("What a picture!",)}  # the last one
            said = list(Judging(bench, judge, cache).said(bench.items[0], NAME))
            assert [one.attempt for one in said] == list(range(1, 2 * session + 1))
            assert "is unreadable" in said[0].error


async def test_a_judge_that_cannot_be_reached_is_not_asked_again_here(tmp_path: Path) -> None:
    bench = small(tmp_path)
    judge = Scripted(CriticUnavailable("HTTP 500"))  # its client has tried again already
    with Cache(tmp_path / "cache") as cache:
        with pytest.raises(CriticUnavailable):
            await Judging(bench, judge, cache).mark(bench.items[0], PICTURE)
        assert (len(judge.asked), cache.made) == (1, {})


async def test_the_stand_in_says_the_same_of_the_same_picture(tmp_path: Path) -> None:
    bench = small(tmp_path)
    marks = []
    for folder in ("a", "b"):
        with Cache(tmp_path / folder) as cache:
            judging = Judging(bench, FakeJudge(), cache)
            marks.append([await judging.mark(item, PICTURE) for item in bench.items])
    assert marks[0] == marks[1]
    with pytest.raises(ConfigError, match="attempts = 0"):
        Judging(bench, FakeJudge(), cache, attempts=0)
