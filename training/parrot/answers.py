"""The teacher's raw answers, in shards of 512 pairs.

Each shard is one file of JSON lines. A line is one answer, or one failure with its reason, of any
kind and any teacher, in order of arrival. Lines are only added, so the file is its own journal: a
crash costs the questions that were under way, and what failed is asked again. (Parquet would be
smaller, but no line can be added to it: a crash would cost the shard, or there would be two
formats. Answers are text: gzip does as well for an archive.)

A line reaches the operating system before the next question is asked, and the disk within a second:
killing the process loses nothing, a power cut the answers of a second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from rr_refine.boundary import raised_as
from rr_refine.digest import digest
from rr_refine.errors import RefineError, StoreError
from rr_refine.lines import LineFile
from rr_refine.terms import Identity, Record
from rr_refine.training.parrot.folder import opened, read_records
from rr_refine.training.parrot.teacher import (
    UNUSABLE,
    QuestionKind,
    TeacherAnswer,
    TeacherQuestion,
)

__all__ = ["AnswerLine", "Answers", "Asked", "fingerprint", "open_answers"]

Asked: TypeAlias = tuple[str, QuestionKind]
"""A teacher's fingerprint, and what it was asked."""

_SYNC: Final = 1.0
"""Seconds between two syncs to disk; one takes some milliseconds."""


def fingerprint(teacher: Identity) -> str:
    """16 hex digits; answers of teachers with the same fingerprint are interchangeable."""
    return digest(teacher.model_dump(mode="json"))[:16]


class AnswerLine(Record):
    """One line: an answer, or why there is none."""

    by: str
    """The teacher's `fingerprint`."""
    question: str
    """First 16 digits of the question's digest."""
    kind: QuestionKind
    id: str
    """The question's, for people."""
    answer: TeacherAnswer | None = None
    failure: str | None = None
    """Type and message of the error."""


class Answers:
    """The answers and failures of one shard.

    Args:
        path: its file; there may be none.
        teachers: the fingerprints of the teacher whose answers count.
        file: to add to; see `open_answers`.
        answering: who has answered which kind, here or in another shard; added to.
        again: forget the answers that are none, so that they are asked for again.

    Raises:
        StoreError: the file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        teachers: Mapping[QuestionKind, str],
        file: LineFile | None = None,
        *,
        answering: set[Asked] | None = None,
        again: bool = False,
    ) -> None:
        self._path = path
        self._file = file
        self._synced = 0.0
        self._teachers = teachers
        self._answers: dict[tuple[str, str], TeacherAnswer] = {}
        self.failures: dict[tuple[str, str], str] = {}
        """The last failure of each question that is without an answer."""
        self._answering = set() if answering is None else answering
        for line in read_records(path, AnswerLine, within=path.parents[1]):  # DIR/answers/…
            if not (again and line.answer is not None and line.answer.lost):
                self.note(line)

    def get(self, question: TeacherQuestion) -> TeacherAnswer | None:
        """The answer to a question, if there is one.

        One that was of no use counts once another question of the kind has been answered. Until
        then the fault may be the set-up's, and the question is owed.
        """
        by = self._teachers[question.kind]
        answer = self._answers.get((by, question.digest[:16]))
        if answer is not None and answer.finish_reason == UNUSABLE:
            return answer if (by, question.kind) in self._answering else None
        return answer

    def note(self, line: AnswerLine) -> None:
        """Add a line to what is known."""
        key = (line.by, line.question)
        if line.answer is not None:
            self._answers[key] = line.answer
            if not line.answer.lost:
                self._answering.add((line.by, line.kind))
            self.failures.pop(key, None)
        elif line.failure is not None and key not in self._answers:
            self.failures[key] = line.failure

    def add(self, question: TeacherQuestion, outcome: TeacherAnswer | RefineError) -> None:
        """Write an answer or a failure to the file.

        Raises:
            StoreError: it could not be written; the file is as it was.
        """
        if self._file is None:
            raise ValueError(f"{self._path} is open for reading only")
        failed = isinstance(outcome, RefineError)
        line = AnswerLine(
            by=self._teachers[question.kind],
            question=question.digest[:16],
            kind=question.kind,
            id=question.id,
            answer=None if failed else outcome,
            failure=f"{type(outcome).__name__}: {outcome}" if failed else None,
        )
        now = time.monotonic()
        sync = now - self._synced >= _SYNC
        with raised_as(StoreError, f"cannot write {self._path}"):
            self._file.append(line.model_dump_json(exclude_none=True).encode(), sync=sync)
        self._synced = now if sync else self._synced
        self.note(line)


@contextmanager
def open_answers(
    path: Path,
    teachers: Mapping[QuestionKind, str],
    *,
    answering: set[Asked] | None = None,
    again: bool = False,
) -> Iterator[Answers]:
    """Open a shard for adding answers. A torn last line is cut off, and its question asked again.

    Args: as for `Answers`.

    Raises:
        StoreLockedError: another process has it.
        StoreError: it cannot be read or written.
    """
    with opened(path, within=path.parents[1]) as file:
        yield Answers(path, teachers, file, answering=answering, again=again)
