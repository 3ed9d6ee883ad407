"""The pipeline: every pair of a folder goes through all phases, many at a time.

A pair goes on by itself (see `PairState`): its rationale is checked as soon as it is there, and
projected as soon as it is kept. No phase waits for another to end, and none has state to lose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from rr_refine.batching import gather
from rr_refine.errors import ConfigError, CriticError, CriticUnavailable, CriticUnreadable
from rr_refine.files import read_file
from rr_refine.reward.preferences.pair import PreferencePair
from rr_refine.terms import Identity, Record
from rr_refine.training.parrot.answers import Answers, fingerprint, open_answers
from rr_refine.training.parrot.config import ParrotOptions
from rr_refine.training.parrot.folder import ParrotFolder, write_whole
from rr_refine.training.parrot.pair_state import PairState
from rr_refine.training.parrot.teacher import QuestionKind, Teacher, TeacherAnswer, TeacherQuestion

__all__ = ["PipelineProgress", "RunRecord", "produce", "read_run"]


class RunRecord(Record):
    """`run.json`: the teacher, and the options."""

    options: ParrotOptions
    teachers: dict[QuestionKind, Identity]

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
    """Questions without an answer in this run."""


async def produce(
    folder: ParrotFolder,
    teacher: Teacher,
    options: ParrotOptions,
    *,
    part: tuple[int, int] = (1, 1),
    concurrency: int = 64,
    patience: int = 20,
    on_progress: Callable[[PipelineProgress], None] | None = None,
) -> PipelineProgress:
    """Ask every question that is still open, and keep the answers.

    Start it again after any end: what was answered is not asked again, what failed is.

    Args:
        folder: with pairs.
        teacher: connected; see `rr_refine.component.connected`. To ask several models, give one
            that passes each kind of question on.
        options: what to ask.
        part: (i, n): the i-th of n jobs on one folder, 1 to n. Shards are dealt out in turn.
        concurrency: pairs under way at once, each with one to three questions.
        patience: failures in a row, over all pairs, after which the teacher is given up.
        on_progress: called after every pair.

    Raises:
        ConfigError: there are no pairs, `part` is out of range, or the teacher is set up wrongly.
        CriticUnavailable: `patience` questions in a row failed.
        StoreError: the folder cannot be read or written.
    """
    index, count = part
    if not 1 <= index <= count:
        raise ConfigError(f"part {index}/{count} is out of range; the first of two is 1/2")
    folder.require_pairs()
    kinds: tuple[QuestionKind, ...] = get_args(QuestionKind)
    record = RunRecord(options=options, teachers={kind: teacher.identify(kind) for kind in kinds})
    write_whole(_path(folder), [record.model_dump_json(indent=2)])
    shards = folder.shards[index - 1 :: count]
    run = _Run(folder, teacher, record, patience)
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
        self, folder: ParrotFolder, teacher: Teacher, record: RunRecord, patience: int
    ) -> None:
        self.progress = PipelineProgress(pairs=0)
        self._folder = folder
        self._teacher = teacher
        self._record = record
        self._patience = patience
        self._in_a_row = 0

    def pairs(self, shards: range, stack: ExitStack) -> Iterator[tuple[PreferencePair, _Shard]]:
        """All pairs, with their shard, which is opened when its first pair is due."""
        for number in shards:
            pairs = self._folder.shard(number)
            own = stack.enter_context(ExitStack())
            path = self._folder.answers(number)
            log = own.enter_context(open_answers(path, self._record.fingerprints))
            shard = _Shard(log, len(pairs), own)
            for pair in pairs:
                yield pair, shard

    async def finish(self, pair: PreferencePair, log: Answers) -> None:
        """Ask about a pair until nothing more is owed but what failed."""
        failed: set[str] = set()
        while True:
            state = PairState(pair, log.get, self._folder.pictures, self._record.options)
            owed = [q for q in state.owed if q.id + q.kind not in failed]
            if not owed:
                break
            outcomes = await gather(*(self._ask(question, log) for question in owed))
            failed |= {q.id + q.kind for q, ok in zip(owed, outcomes, strict=True) if not ok}
        self.progress.done += 1

    async def _ask(self, question: TeacherQuestion, log: Answers) -> bool:
        """Ask, and record the outcome; True if it is an answer."""
        try:
            answer = _complete(question, await self._teacher.answer(question))
        except CriticError as error:
            log.add(question, error)
            self.progress.failures += 1
            self._in_a_row += 1
            if self._in_a_row >= self._patience:
                raise CriticUnavailable(
                    f"{self._patience} questions in a row stayed without an answer; the last: "
                    f"{error}"
                ) from error
            return False
        log.add(question, answer)
        self.progress.answers += 1
        self._in_a_row = 0
        return True


def _complete(question: TeacherQuestion, answer: TeacherAnswer) -> TeacherAnswer:
    """Refuse a prediction without probabilities: it is of no use."""
    if question.kind == "predict" and set(answer.chances or ()) != set(question.choices):
        raise CriticUnreadable(
            f"the teacher's prediction has the chances {answer.chances!r}; "
            f"there must be one for each of {question.choices!r}",
            answer.text,
        )
    return answer


def _path(folder: ParrotFolder) -> Path:
    return folder.path / "run.json"
