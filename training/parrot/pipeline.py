"""The pipeline: every pair of a folder goes through all phases, many at a time.

A pair goes on by itself (see `PairState`): its rationale is checked as soon as it is there, and
projected as soon as it is kept. No phase waits for another to end, and none has state to lose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import field_validator

from rr_refine.batching import gather
from rr_refine.errors import (
    ConfigError,
    CriticAnswerError,
    CriticError,
    CriticRefused,
    CriticTimeout,
    CriticTruncated,
    CriticUnavailable,
    CriticUnreadable,
)
from rr_refine.files import read_file
from rr_refine.lines import write_lines
from rr_refine.reward.preferences.pair import PreferencePair
from rr_refine.reward.proposal import is_refusal
from rr_refine.terms import Identity, Record
from rr_refine.training.parrot.answers import Answers, Asked, fingerprint, open_answers
from rr_refine.training.parrot.config import ParrotOptions
from rr_refine.training.parrot.folder import ParrotFolder
from rr_refine.training.parrot.pair_state import PairState
from rr_refine.training.parrot.teacher import (
    REFUSED,
    UNUSABLE,
    PictureLost,
    QuestionKind,
    Teacher,
    TeacherAnswer,
    TeacherQuestion,
)

__all__ = ["PipelineProgress", "RunRecord", "produce", "read_run"]


class RunRecord(Record):
    """`run.json`: the teacher, and the options."""

    options: ParrotOptions
    teachers: dict[QuestionKind, Identity]

    @field_validator("options", mode="before")
    @classmethod
    def _before_there_was_a_baseline(cls, found: object) -> object:
        return {"baseline": False} | found if isinstance(found, dict) else found

    @property
    def fingerprints(self) -> dict[QuestionKind, str]:
        """Whose answers count, for each kind of question."""
        return {kind: fingerprint(teacher) for kind, teacher in self.teachers.items()}


@dataclass(slots=True)
class PipelineProgress:
    """How far a run is. Pairs that were finished before are counted when they are reached."""

    pairs: int
    done: int = 0
    answers: int = 0
    """Received in this run."""
    failures: int = 0
    """Questions without an answer in this run, which the next run asks again."""
    why: str = ""
    """What the last of them failed by."""
    lost: int = 0
    """Pairs with a picture that cannot be read."""
    refused: int = 0
    """Questions of this run that there will be no answer to."""


async def produce(
    folder: ParrotFolder,
    teacher: Teacher,
    options: ParrotOptions,
    *,
    part: tuple[int, int] = (1, 1),
    concurrency: int = 64,
    patience: int = 20,
    again: bool = False,
    on_progress: Callable[[PipelineProgress], None] | None = None,
) -> PipelineProgress:
    """Ask every question that is still open, and keep the answers.

    Start it again after any end: what was answered is not asked again, what failed is. A question
    that the teacher declines, or that its server does not take, is settled by that and costs its
    pair only.

    Args:
        folder: with pairs.
        teacher: connected; see `rr_refine.component.connected`. To ask several models, give one
            that passes each kind of question on.
        options: what to ask.
        part: (i, n): the i-th of n jobs on one folder, 1 to n. Shards are dealt out in turn.
        concurrency: pairs under way at once, each with one to three questions.
        patience: times in a row, over all pairs, that nobody answers, after which the teacher is
            given up. So it is after ten times as many answers of no use, if there was no other.
        again: ask what was refused in earlier runs, too.
        on_progress: called after every pair.

    Raises:
        ConfigError: there are no pairs, `part` or `concurrency` is out of range, or the teacher is
            set up wrongly.
        CriticUnavailable: the teacher was given up.
        StoreError: the folder cannot be read or written.
    """
    index, count = part
    if not 1 <= index <= count:
        raise ConfigError(f"part {index}/{count} is out of range; the first of two is 1/2")
    if concurrency < 1:
        raise ConfigError(f"concurrency = {concurrency} would ask nothing; give at least 1")
    folder.require_pairs()
    kinds: tuple[QuestionKind, ...] = get_args(QuestionKind)
    record = RunRecord(options=options, teachers={kind: teacher.identify(kind) for kind in kinds})
    write_lines(_path(folder), [record.model_dump_json(indent=2)])
    for kind, name in record.fingerprints.items():
        identity = record.teachers[kind].model_dump_json(indent=2)
        write_lines(folder.path / "teachers" / f"{name}.json", [identity], within=folder.path)
    shards = folder.shards[index - 1 :: count]
    run = _Run(folder, teacher, record, patience, again)
    run.progress.pairs = sum(len(folder.shard(number)) for number in shards)
    with ExitStack() as stack:
        pairs = run.pairs(shards, stack)

        async def work() -> None:
            for pair, shard in pairs:  # shared: each worker takes the next one
                await run.finish(pair, shard.log)
                shard.left -= 1
                if not shard.left:
                    shard.stack.close()
                if on_progress is not None:
                    on_progress(run.progress)

        await gather(*(work() for _ in range(concurrency)))
    return run.progress


def read_run(folder: ParrotFolder) -> RunRecord:
    """The teacher and the options of the last run.

    Raises:
        ConfigError: nobody did yet, or the file cannot be read.
    """
    path = _path(folder)
    try:
        return RunRecord.model_validate_json(read_file(path))
    except FileNotFoundError:
        raise ConfigError(f"{str(folder.path)!r} was not run yet: rr-refine parrot run") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(path)!r} cannot be read: {error}") from error


@dataclass(slots=True)
class _Shard:
    """A shard being worked on; it is closed when its last pair is done."""

    log: Answers
    left: int
    stack: ExitStack


class _Run:
    def __init__(
        self,
        folder: ParrotFolder,
        teacher: Teacher,
        record: RunRecord,
        patience: int,
        again: bool,
    ) -> None:
        self.progress = PipelineProgress(pairs=0)
        self._folder = folder
        self._teacher = teacher
        self._record = record
        self._patience = patience
        self._again = again
        self._unanswered = 0
        """In a row."""
        self._unusable: Counter[QuestionKind] = Counter()
        self._answering: set[Asked] = set()

    def pairs(self, shards: range, stack: ExitStack) -> Iterator[tuple[PreferencePair, _Shard]]:
        """All pairs, with their shard, which is opened when its first pair is due."""
        for number in shards:
            pairs = self._folder.shard(number)
            own = stack.enter_context(ExitStack())
            path = self._folder.answers(number)
            opened = open_answers(
                path, self._record.fingerprints, answering=self._answering, again=self._again
            )
            log = own.enter_context(opened)
            shard = _Shard(log, len(pairs), own)
            for pair in pairs:
                yield pair, shard

    async def finish(self, pair: PreferencePair, log: Answers) -> None:
        """Ask about a pair until nothing more is owed but what failed."""
        failed: set[str] = set()
        whole = all(self._folder.pictures.path(key).is_file() for key in pair.pictures)
        while whole:
            state = PairState(
                pair,
                log.get,
                self._folder.pictures,
                self._record.options,
                teaches=pair.id not in self._folder.contradicted,
            )
            owed = [q for q in state.owed if q.id + q.kind not in failed]
            if not owed:
                break
            try:
                outcomes = await gather(*(self._ask(question, log) for question in owed))
            except PictureLost:
                whole = False
                break
            failed |= {q.id + q.kind for q, ok in zip(owed, outcomes, strict=True) if not ok}
        self.progress.lost += not whole
        self.progress.done += 1

    async def _ask(self, question: TeacherQuestion, log: Answers) -> bool:
        """Ask, and record the outcome; True if it is an answer, or says that there is none."""
        try:
            answer = _complete(question, await self._teacher.answer(question))
        except PictureLost:
            raise
        except (CriticUnavailable, CriticTimeout) as error:
            log.add(question, error)
            self.progress.failures += 1
            self.progress.why = str(error)
            self._unanswered += 1
            if self._unanswered >= self._patience:
                raise _given_up(self._patience, error) from error
            return False
        except CriticError as error:
            answer = _without(error)
            log.add(question, answer)
            if log.get(question) is None:  # it may be the set-up that is at fault
                self._count_unusable(question.kind, error)
                return False
        else:
            log.add(question, answer)
        self._unanswered = 0
        if not answer.lost:
            self.progress.answers += 1
            # The others of the kind were at fault themselves, then.
            earlier = self._unusable.pop(question.kind, 0)
            self.progress.failures -= earlier
            self.progress.refused += earlier
        else:
            self.progress.refused += 1
        return True

    def _count_unusable(self, kind: QuestionKind, error: CriticError) -> None:
        self.progress.failures += 1
        self.progress.why = str(error)
        self._unusable[kind] += 1
        if self._unusable[kind] >= 10 * self._patience:
            raise _given_up(self._unusable[kind], error) from error


def _given_up(count: int, error: CriticError) -> CriticUnavailable:
    return CriticUnavailable(
        f"{count} questions in a row stayed without an answer; the last: {error}"
    )


def _complete(question: TeacherQuestion, answer: TeacherAnswer) -> TeacherAnswer:
    """Refuse what is no answer: a prediction without probabilities, a refusal in words."""
    if question.kind == "predict":
        if set(answer.chances or ()) != set(question.choices):
            raise CriticUnreadable(
                f"the teacher's prediction has the chances {answer.chances!r}; "
                f"there must be one for each of {question.choices!r}",
                answer.text,
            )
    elif is_refusal(answer.text):
        raise CriticRefused("the teacher declined in words", answer.text)
    return answer


def _without(error: CriticError) -> TeacherAnswer:
    """What is recorded where there is no answer, and asking again would bring none."""
    text = error.raw if isinstance(error, CriticAnswerError) else str(error)
    if isinstance(error, CriticTruncated):
        return TeacherAnswer(text=text, finish_reason="length")
    reason = REFUSED if isinstance(error, CriticRefused) else UNUSABLE
    return TeacherAnswer(text=text, finish_reason=reason)


def _path(folder: ParrotFolder) -> Path:
    return folder.path / "run.json"
