"""Every answer of a judge, readable or not: OUT/judgements/<arm>/answers.jsonl, a line for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from rr_refine.benchmarks.protocol import Answers, JudgedAnswers
from rr_refine.boundary import raised_as
from rr_refine.errors import StoreError
from rr_refine.files import holds_file, open_file
from rr_refine.lines import each_line, write_lines
from rr_refine.terms import Record

__all__ = [
    "JudgeAnswer",
    "has_answers",
    "judged_of",
    "judgements_of",
    "read_answers",
    "write_answers",
]

_FILE: Final = "answers.jsonl"


class JudgeAnswer(Record):
    """One answer to one question about one picture."""

    item: str
    image: str
    """Digest of the picture."""
    turn: int
    """0, or 1 where the judge was held against itself."""
    attempt: int
    """From 1; the earlier ones could not be read."""
    question: int
    """Its number, from 1."""
    asked: str | None
    """Its text, pictures left out; None where it was not kept."""
    answer: str
    """As it came."""
    readable: bool
    """Whether the mark is made of this attempt."""
    error: str = ""
    """Why it could not be read."""


def judgements_of(out: Path, arm: str) -> Path:
    """Where an arm's judgements are."""
    return out / "judgements" / arm


def has_answers(out: Path, arm: str) -> bool:
    """Whether answers are kept.

    Raises:
        StoreError: there is something that is no file of the folder itself.
    """
    path = judgements_of(out, arm) / _FILE
    with raised_as(StoreError, f"{str(path)!r} cannot be read"):
        return holds_file(path, within=out)


def write_answers(out: Path, arm: str, answers: Iterable[JudgeAnswer]) -> None:
    """Write an arm's answers; the file is there when it is whole.

    Raises:
        StoreError: it cannot be written.
    """
    lines = (answer.model_dump_json() for answer in answers)
    write_lines(judgements_of(out, arm) / _FILE, lines, within=out)


def read_answers(out: Path, arm: str) -> Iterator[JudgeAnswer]:
    """An arm's answers one by one; nothing where there is no such file.

    Raises:
        StoreError: it cannot be read, or is no file of the folder itself.
    """
    path = judgements_of(out, arm) / _FILE
    try:
        with open_file(path, within=out) as file:
            for line, _ in each_line(file):
                yield JudgeAnswer.model_validate_json(line)
    except FileNotFoundError:
        return
    except (OSError, ValidationError) as error:
        raise StoreError(f"{str(path)!r} cannot be read: {error}") from error


def judged_of(answers: Iterable[JudgeAnswer], pictures: Mapping[str, str]) -> JudgedAnswers:
    """What was said of these pictures.

    Args:
        answers: those of an attempt one after the other, in the order of their questions.
        pictures: by item, the digest of its result.
    """
    read: dict[str, Answers | None] = dict.fromkeys(pictures)
    unread: dict[str, Answers] = {}
    own = (a for a in answers if a.turn == 0 and pictures.get(a.item) == a.image)
    for (item, _), attempt in groupby(own, key=lambda a: (a.item, a.attempt)):
        said = list(attempt)
        texts = tuple(answer.answer for answer in said)
        if said[0].readable:
            read[item] = texts
        else:
            unread[item] = texts
    return JudgedAnswers(
        read, {item: texts for item, texts in unread.items() if read[item] is None}
    )
