from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from rr_refine.errors import ConfigError, CriticUnavailable, StoreError, StoreLockedError
from rr_refine.training.parrot import folder as folder_module
from rr_refine.training.parrot.answers import AnswerLine, Answers
from rr_refine.training.parrot.config import ParrotOptions
from rr_refine.training.parrot.folder import ParrotFolder, opened
from rr_refine.training.parrot.ingest import ingest
from rr_refine.training.parrot.pipeline import PipelineProgress, produce, read_run
from rr_refine.training.parrot.teacher import TeacherAnswer, TeacherQuestion
from tests.training.parrot.fakes import FakeTeacher, good, make_folder, pairwise, raw_pair

OPTIONS = ParrotOptions()


def lines(folder: ParrotFolder) -> list[AnswerLine]:
    return [
        AnswerLine.model_validate_json(line)
        for path in sorted((folder.path / "answers").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]


async def test_a_good_teacher_is_asked_once_for_everything(tmp_path: Path) -> None:
    folder, teacher = make_folder(tmp_path, 3), FakeTeacher()
    seen: list[int] = []
    progress = await produce(
        folder, teacher, OPTIONS, on_progress=lambda progress: seen.append(progress.done)
    )
    assert [teacher.count(k) for k in ("anchor", "predict", "project", "judge")] == [3, 6, 6, 0]
    assert (progress.pairs, progress.done, progress.answers, progress.failures) == (3, 3, 15, 0)
    assert seen == [1, 2, 3]
    again = FakeTeacher()
    await produce(ParrotFolder(tmp_path), again, OPTIONS)
    assert again.asked == []
    assert read_run(folder).options == OPTIONS


@pytest.mark.parametrize("after", [0, 1, 4, 7, 11, 14])
async def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, after: int) -> None:
    folder, teacher = make_folder(tmp_path, 3), FakeTeacher(block_after=after)
    task = asyncio.create_task(produce(folder, teacher, OPTIONS, concurrency=2))
    while len(teacher.asked) < after:  # noqa: ASYNC110
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again = FakeTeacher()
    await produce(ParrotFolder(tmp_path), again, OPTIONS)
    asked = [question.id + question.kind for question in (*teacher.asked, *again.asked)]
    assert len(asked) == len(set(asked)) == 15
    assert len(lines(folder)) == 15


async def test_a_torn_last_line_is_owed_again(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 2)
    await produce(folder, FakeTeacher(), OPTIONS)
    (path,) = (tmp_path / "answers").glob("*.jsonl")
    whole = path.read_bytes()
    torn = json.loads(whole.splitlines()[-1])
    path.write_bytes(whole[:-20])
    again = FakeTeacher()
    await produce(ParrotFolder(tmp_path), again, OPTIONS)
    assert [question.id for question in again.asked] == [torn["id"]]
    assert path.read_bytes() == whole


async def test_a_broken_line_is_reported(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 1)
    await produce(folder, FakeTeacher(), OPTIONS)
    (path,) = (tmp_path / "answers").glob("*.jsonl")
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(StoreError, match="line 1 of"):
        await produce(ParrotFolder(tmp_path), FakeTeacher(), OPTIONS)


async def test_failures_are_kept_with_their_reason_and_asked_again(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 3)

    def busy(question: TeacherQuestion) -> TeacherAnswer | CriticUnavailable:
        last = question.instruction.endswith("2")
        return CriticUnavailable("busy") if last else good(question)

    progress = await produce(folder, FakeTeacher({"anchor": busy}), OPTIONS)
    assert (progress.done, progress.failures) == (3, 1)
    failed = [line for line in lines(folder) if line.answer is None]
    assert [line.failure for line in failed] == ["CriticUnavailable: busy"]
    answers = Answers(folder.answers(0), read_run(folder).fingerprints)
    assert list(answers.failures.values()) == ["CriticUnavailable: busy"]
    again = FakeTeacher()
    progress = await produce(ParrotFolder(tmp_path), again, OPTIONS)
    assert progress.failures == 0
    assert again.count("anchor") == 1
    assert Answers(folder.answers(0), read_run(folder).fingerprints).failures == {}


async def test_a_dead_teacher_is_given_up(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 9)
    dead = FakeTeacher({"anchor": lambda _: CriticUnavailable("no connection")})
    with pytest.raises(CriticUnavailable, match=r"4 questions in a row .* no connection"):
        await produce(folder, dead, OPTIONS, patience=4, concurrency=1)
    assert len(lines(folder)) == 4


async def test_a_prediction_without_chances_is_a_failure(tmp_path: Path) -> None:
    mute = FakeTeacher({"predict": lambda _: TeacherAnswer(text="A")})
    progress = await produce(make_folder(tmp_path, 1), mute, OPTIONS)
    assert progress.failures == 2


async def test_another_teacher_is_asked_anew_and_the_first_is_kept(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 2)
    await produce(folder, FakeTeacher(), OPTIONS)
    other = FakeTeacher(name="other")
    await produce(folder, other, OPTIONS)
    assert len(other.asked) == 10
    first = FakeTeacher()
    await produce(folder, first, OPTIONS)
    assert first.asked == []


async def test_jobs_share_a_folder_by_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "SHARD", 2)
    folder = make_folder(tmp_path, 5)
    one, two = FakeTeacher(), FakeTeacher()
    await asyncio.gather(
        produce(folder, one, OPTIONS, part=(1, 2)), produce(folder, two, OPTIONS, part=(2, 2))
    )
    assert (one.count("anchor"), two.count("anchor")) == (3, 2)
    assert sorted(p.name for p in (tmp_path / "answers").glob("*.jsonl")) == [
        "00000.jsonl",
        "00001.jsonl",
        "00002.jsonl",
    ]


async def test_a_shard_belongs_to_one_process(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 1)
    with opened(folder.answers(0)), pytest.raises(StoreLockedError):
        await produce(folder, FakeTeacher(), OPTIONS)


async def test_further_attempts_only_where_one_failed(tmp_path: Path) -> None:
    def second_time(question: TeacherQuestion) -> TeacherAnswer:
        return good(question) if question.id.endswith(":1") else TeacherAnswer(text="no")

    teacher = FakeTeacher({"anchor": second_time})
    await produce(make_folder(tmp_path, 2), teacher, ParrotOptions(attempts=3, project=False))
    assert [question.id[-2:] for question in teacher.asked if question.kind == "anchor"] == [
        ":0",
        ":0",
        ":1",
        ":1",
    ]


async def test_what_the_options_add(tmp_path: Path) -> None:
    teacher = FakeTeacher()
    options = ParrotOptions(both_orders=True, compare=True, direct=True)
    await produce(make_folder(tmp_path, 1), teacher, options)
    assert [teacher.count(k) for k in ("anchor", "predict", "project", "judge")] == [2, 6, 2, 3]
    judged = [question for question in teacher.asked if question.kind == "judge"]
    assert all(question.label is None for question in judged)
    assert sorted(question.image_b is None for question in judged) == [False, True, True]
    labels = {question.label for question in teacher.asked if question.kind == "anchor"}
    assert labels == {"A", "B"}


async def test_a_poor_rationale_costs_no_further_question(tmp_path: Path) -> None:
    wrong = FakeTeacher(
        {"anchor": lambda q: TeacherAnswer(text=pairwise("t2i", "B" if q.label == "A" else "A"))}
    )
    await produce(make_folder(tmp_path, 2), wrong, OPTIONS)
    assert {question.kind for question in wrong.asked} == {"anchor"}


async def test_mistakes_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no pairs"):
        await produce(ParrotFolder(tmp_path), FakeTeacher(), OPTIONS)
    with pytest.raises(ConfigError, match="part 3/2"):
        await produce(make_folder(tmp_path, 1), FakeTeacher(), OPTIONS, part=(3, 2))
    with pytest.raises(ConfigError, match="was not run yet"):
        read_run(ParrotFolder(tmp_path))


async def test_pairs_added_later_are_taught_too(tmp_path: Path) -> None:
    await produce(make_folder(tmp_path, 2), FakeTeacher(), OPTIONS)
    ingest(ParrotFolder(tmp_path), [raw_pair(9)])
    teacher = FakeTeacher()
    progress: PipelineProgress = await produce(ParrotFolder(tmp_path), teacher, OPTIONS)
    assert (progress.pairs, teacher.count("anchor")) == (3, 1)
