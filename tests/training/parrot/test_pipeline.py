from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from rr_refine.errors import (
    ConfigError,
    CriticError,
    CriticRefused,
    CriticTruncated,
    CriticUnavailable,
    CriticUnreadable,
    StoreError,
    StoreLockedError,
)
from rr_refine.reward.template import builtin_template
from rr_refine.terms import Identity
from rr_refine.training.parrot import folder as folder_module
from rr_refine.training.parrot.answers import AnswerLine, Answers, fingerprint
from rr_refine.training.parrot.config import ParrotOptions
from rr_refine.training.parrot.export import export
from rr_refine.training.parrot.folder import ParrotFolder, opened
from rr_refine.training.parrot.ingest import ingest
from rr_refine.training.parrot.pipeline import PipelineProgress, produce, read_run
from rr_refine.training.parrot.prompts import ask
from rr_refine.training.parrot.report import summarise
from rr_refine.training.parrot.teacher import QuestionKind, TeacherAnswer, TeacherQuestion
from tests.training.parrot.fakes import (
    FakeTeacher,
    declining,
    good,
    make_folder,
    pairwise,
    raw_pair,
)

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
    assert [teacher.count(k) for k in ("anchor", "predict", "project", "judge")] == [3, 12, 6, 0]
    assert (progress.pairs, progress.done, progress.answers, progress.failures) == (3, 3, 21, 0)
    assert seen == [1, 2, 3]
    again = FakeTeacher()
    await produce(ParrotFolder(tmp_path), again, OPTIONS)
    assert again.asked == []
    assert read_run(folder).options == OPTIONS


@pytest.mark.parametrize("after", [0, 1, 4, 7, 11, 20])
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
    assert len(asked) == len(set(asked)) == 21
    assert len(lines(folder)) == 21


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
    assert progress.failures == 4


async def test_another_teacher_is_asked_anew_and_the_first_is_kept(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 2)
    await produce(folder, FakeTeacher(), OPTIONS)
    other = FakeTeacher(name="other")
    await produce(folder, other, OPTIONS)
    assert len(other.asked) == 14
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
    assert [teacher.count(k) for k in ("anchor", "predict", "project", "judge")] == [2, 8, 2, 3]
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
    for wrong in (0, -3):
        with pytest.raises(ConfigError, match="would ask nothing"):
            await produce(make_folder(tmp_path, 1), FakeTeacher(), OPTIONS, concurrency=wrong)
    with pytest.raises(ConfigError, match="was not run yet"):
        read_run(ParrotFolder(tmp_path))


async def test_pairs_added_later_are_taught_too(tmp_path: Path) -> None:
    await produce(make_folder(tmp_path, 2), FakeTeacher(), OPTIONS)
    ingest(ParrotFolder(tmp_path), [raw_pair(9)])
    teacher = FakeTeacher()
    progress: PipelineProgress = await produce(ParrotFolder(tmp_path), teacher, OPTIONS)
    assert (progress.pairs, teacher.count("anchor")) == (3, 1)


@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [
        (CriticRefused("declined", "I will not."), "refused", "I will not."),
        (CriticError("400: the picture is too large"), "unusable", "400: the picture is too large"),
        (CriticUnreadable("no logprobs", "A?"), "unusable", "A?"),
        (CriticTruncated("cut off", "# User"), "length", "# User"),
    ],
)
@pytest.mark.parametrize("concurrency", [1, 64])
async def test_what_is_refused_costs_its_pair_only(
    tmp_path: Path, error: CriticError, reason: str, text: str, concurrency: int
) -> None:
    folder, teacher = make_folder(tmp_path, 80), declining(error, 40)
    options = ParrotOptions(project=False, baseline=False)
    progress = await produce(folder, teacher, options, concurrency=concurrency)
    assert (progress.done, progress.failures) == (80, 0)
    assert progress.refused == (0 if reason == "length" else 40)
    lost = [line.answer for line in lines(folder) if line.answer and line.kind == "anchor"]
    assert [(a.finish_reason, a.text) for a in lost if a.text == text] == [(reason, text)] * 40
    report = export(folder)
    assert report.rows["parrot pairwise"] == 40
    assert report.owed == 0
    if reason == "length":
        assert (report.refused, report.cut_off) == ({}, 40)
    else:
        assert (report.refused, report.cut_off) == ({reason: 40}, 0)
        assert sum(group.refused for group in report.groups) == 40
        assert sum(group.rationales for group in report.groups) == 40
        assert f"Without an answer for good: {reason} 40" in summarise(report)
    again = FakeTeacher()
    await produce(ParrotFolder(tmp_path), again, options)
    assert again.asked == []


async def test_refused_questions_are_asked_again_if_the_user_says_so(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 4)
    await produce(folder, declining(CriticRefused("declined", "no"), 3), OPTIONS)
    again = FakeTeacher()
    progress = await produce(ParrotFolder(tmp_path), again, OPTIONS, again=True)
    assert (again.count("anchor"), progress.refused) == (3, 0)
    assert export(folder).refused == {}


async def test_a_refused_rationale_may_be_tried_again(tmp_path: Path) -> None:
    def second_time(question: TeacherQuestion) -> TeacherAnswer:
        if question.id.endswith(":1"):
            return good(question)
        return TeacherAnswer(text="I'm sorry, but I can't compare these pictures.")

    folder, teacher = make_folder(tmp_path, 2), FakeTeacher({"anchor": second_time})
    progress = await produce(folder, teacher, ParrotOptions(attempts=2))
    assert (teacher.count("anchor"), progress.refused) == (4, 2)
    report = export(folder)
    assert (report.rows["parrot pairwise"], report.refused) == (2, {"refused": 2})


@pytest.mark.parametrize("kind", ["predict", "project", "judge"])
async def test_every_kind_of_question_may_be_refused(tmp_path: Path, kind: QuestionKind) -> None:
    folder = make_folder(tmp_path, 4)
    refuse = FakeTeacher({kind: lambda _: CriticRefused("declined", "no")})
    progress = await produce(folder, refuse, ParrotOptions(direct=True))
    asked = {"predict": 16, "project": 8, "judge": 12}[kind]
    assert (refuse.count(kind), progress.refused, progress.failures) == (asked, asked, 0)
    report = export(folder)
    assert report.refused == {"refused": asked}
    assert report.owed == 0
    assert report.rows.get("parrot pairwise", 0) == (0 if kind == "predict" else 4)
    assert (
        report.projections == {"predict": {}, "project": {"refused": 8}, "judge": {"kept": 8}}[kind]
    )
    assert ("direct pairwise" in report.rows) == (kind == "project")


async def test_a_server_that_takes_no_question_is_given_up(tmp_path: Path) -> None:
    """Then it is the set-up that is wrong, and nothing is settled."""
    folder = make_folder(tmp_path, 60)
    wrong = FakeTeacher({"anchor": lambda _: CriticError("400: no pictures, please")})
    with pytest.raises(CriticUnavailable, match=r"50 questions in a row .* no pictures, please"):
        await produce(folder, wrong, OPTIONS, patience=5, concurrency=1)
    report = export(folder)
    assert (report.refused, report.owed) == ({}, 60)
    again = FakeTeacher()
    assert (await produce(ParrotFolder(tmp_path), again, OPTIONS)).failures == 0
    assert again.count("anchor") == 60


async def test_refusals_between_outages_are_signs_of_life(tmp_path: Path) -> None:
    def mixed(question: TeacherQuestion) -> CriticError:
        odd = int(question.instruction.split()[-1]) % 2
        return CriticUnavailable("busy") if odd else CriticRefused("declined", "no")

    progress = await produce(
        make_folder(tmp_path, 20),
        FakeTeacher({"anchor": mixed}),
        OPTIONS,
        patience=2,
        concurrency=1,
    )
    assert (progress.failures, progress.refused) == (10, 10)


@pytest.mark.parametrize("broken", [False, True], ids=["missing", "broken"])
async def test_a_lost_picture_costs_its_rows_only(tmp_path: Path, broken: bool) -> None:
    folder = make_folder(tmp_path, 4, task="edit")
    lost = folder.pictures.path(folder.pairs[1].image_b)
    whole = lost.read_bytes()
    if broken:
        lost.write_bytes(b"no picture")
    else:
        lost.unlink()

    def looks(question: TeacherQuestion) -> TeacherAnswer:
        ask(question, builtin_template())  # opens the pictures, as a teacher does
        return good(question)

    kinds: tuple[QuestionKind, ...] = ("anchor", "predict", "project")
    teacher = FakeTeacher(dict.fromkeys(kinds, looks))
    progress = await produce(folder, teacher, OPTIONS, patience=1, concurrency=1)
    assert (progress.done, progress.lost, progress.failures) == (4, 1, 0)
    assert export(folder).rows["parrot pairwise"] == 3
    lost.write_bytes(whole)  # it is back
    progress = await produce(ParrotFolder(tmp_path), teacher, OPTIONS)
    assert (progress.lost, export(folder).rows["parrot pairwise"]) == (0, 4)
    lost.unlink()  # and gone again, after the teacher
    report = export(folder)
    assert (report.rows["parrot pairwise"], report.rows_lost) == (3, 2)
    assert "2 rows are left out: a picture of theirs is gone" in summarise(report)


async def test_every_fingerprint_can_be_looked_up(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 2)
    await produce(folder, FakeTeacher(), OPTIONS)
    await produce(folder, FakeTeacher(name="other"), OPTIONS)
    names = {}
    for by in {line.by for line in lines(folder)}:
        text = (tmp_path / "teachers" / f"{by}.json").read_text()
        names[by] = Identity.model_validate_json(text)
        assert fingerprint(names[by]) == by
    assert {identity.name for identity in names.values()} == {"fake", "other"}


async def test_retention_in_all_and_by_source(tmp_path: Path) -> None:
    folder = ParrotFolder(tmp_path)
    ingest(folder, [replace(raw_pair(n), dataset="ab"[n % 2]) for n in range(8)])

    def half(question: TeacherQuestion) -> TeacherAnswer:
        odd = int(question.instruction.split()[-1]) in (1, 3)
        return TeacherAnswer(text="no") if odd else good(question)

    await produce(folder, FakeTeacher({"anchor": half}), OPTIONS)
    report = export(folder)
    assert report.retention == {"all": 0.75, "a": 1.0, "b": 0.5}
    assert "Retention: 75.0% of all pairs; 100.0% of a, 50.0% of b." in summarise(report)
