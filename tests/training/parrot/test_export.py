from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.messages import build_messages
from rr_refine.reward.preferences.pair import Label
from rr_refine.reward.template import builtin_template, load_template
from rr_refine.terms import Task
from rr_refine.training.parrot.config import ParrotOptions
from rr_refine.training.parrot.export import export
from rr_refine.training.parrot.folder import ParrotFolder
from rr_refine.training.parrot.ingest import ingest
from rr_refine.training.parrot.pipeline import produce
from rr_refine.training.parrot.prompts import BLOCKS, ask
from rr_refine.training.parrot.report import summarise
from rr_refine.training.parrot.teacher import TeacherAnswer, TeacherQuestion
from tests.training.parrot.fakes import (
    FakeTeacher,
    good,
    make_folder,
    pairwise,
    predicted,
    raw_pair,
    sound,
)

TEMPLATE = builtin_template()


def rows(folder: ParrotFolder, name: str = "parrot") -> list[dict[str, Any]]:
    text = (folder.path / "sft" / f"{name}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def words(text: str) -> set[tuple[str, ...]]:
    """All runs of seven words."""
    found = text.split()
    return {tuple(found[i : i + 7]) for i in range(len(found) - 6)}


@pytest.mark.parametrize("task", ["t2i", "edit"])
@pytest.mark.parametrize("template", ["builtin", "sketch"])
async def test_a_row_asks_what_a_critic_is_asked(tmp_path: Path, task: Task, template: str) -> None:
    folder = make_folder(tmp_path, 3, task=task)
    await produce(folder, FakeTeacher(), ParrotOptions())
    report = export(folder, template=template)
    assert report.rows == {"parrot pairwise": 3, "parrot pointwise": 6}
    found = rows(folder)
    pair = folder.pairs[0]
    pictures = {
        name: f"images/{key[:2]}/{key}.png"
        for name, key in (("a", pair.image_a), ("b", pair.image_b), ("source", pair.source))
        if key
    }
    blank = Image.new("RGB", (1, 1))
    source = blank if task == "edit" else None
    both = ComparisonRequest(pair.instruction, blank, blank, source)
    one = CritiqueRequest(pair.instruction, blank, source)
    for row, request, names in (
        (found[0], both, ("source", "a", "b")),
        (found[1], one, ("source", "a")),
        (found[2], one, ("source", "b")),
    ):
        asked = build_messages(request, load_template(template))
        assert [
            (turn["role"], [part.get("text") for part in turn["content"]]) for turn in row["prompt"]
        ] == [
            (message.role, [part if isinstance(part, str) else None for part in message.content])
            for message in asked
        ]
        assert row["images"] == [pictures[name] for name in names if name in pictures]
        assert all((tmp_path / name).is_file() for name in row["images"])
        shown = [p for turn in row["prompt"] for p in turn["content"] if p["type"] == "image"]
        assert shown == [{"type": "image"}] * len(row["images"])
    (turn,) = found[0]["completion"]
    assert turn["role"] == "assistant"
    assert turn["content"][0]["text"] == pairwise(task, pair.label).strip()


async def test_no_word_to_the_teacher_reaches_the_student(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 4, task="edit")
    teacher = FakeTeacher()
    await produce(folder, teacher, ParrotOptions(both_orders=True, direct=True))
    export(folder)
    # The questions do hold such words, or this test could not fail.
    told = {
        kind: " ".join(m.text for q in teacher.asked if q.kind == kind for m in ask(q, TEMPLATE))
        for kind in ("anchor", "project", "predict")
    }
    secret = {run for block in BLOCKS for run in words(block) if "{" not in "".join(run)}
    assert all(words(text) & secret for text in told.values())
    found = [*rows(folder), *rows(folder, "direct")]
    assert len(found) > 8
    for row in found:
        text = " ".join(
            part.get("text", "")
            for turn in (*row["prompt"], *row["completion"])
            for part in turn["content"]
        )
        assert not words(text) & secret


async def test_a_rationale_of_the_other_order_has_its_pictures_exchanged(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 1)
    await produce(folder, FakeTeacher(), ParrotOptions(both_orders=True, project=False))
    export(folder)
    first, second = rows(folder)
    assert first["images"] == second["images"][::-1]
    assert first["completion"] != second["completion"]


async def test_an_edit_that_changed_nothing_has_its_pictures_in_order(tmp_path: Path) -> None:
    folder = ParrotFolder(tmp_path)
    raw = raw_pair(1, task="edit")
    ingest(folder, [replace(raw, source=raw.second)])
    await produce(folder, FakeTeacher(), ParrotOptions(project=False))
    export(folder)
    (row,) = rows(folder)
    pair = folder.pairs[0]
    assert [Path(name).stem for name in row["images"]] == [pair.source, pair.image_a, pair.image_b]


async def test_as_many_direct_rows_of_each_kind(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 8)

    def half(question: TeacherQuestion) -> TeacherAnswer:
        even = int(question.instruction[-1]) % 2 == 0
        return good(question) if even else TeacherAnswer(text="no")

    def partly(question: TeacherQuestion) -> TeacherAnswer:
        cut = question.instruction.endswith("7")
        return good(question).model_copy(update={"finish_reason": "length" if cut else "stop"})

    teacher = FakeTeacher({"anchor": half, "judge": partly})
    await produce(folder, teacher, ParrotOptions(direct=True))
    report = export(folder)
    assert report.rows == {
        "parrot pairwise": 4,
        "parrot pointwise": 8,
        "direct pairwise": 4,
        "direct pointwise": 8,
    }
    direct = rows(folder, "direct")
    assert len({row["id"] for row in direct}) == 12
    assert all("mat 7" not in json.dumps(row) for row in direct)


async def test_the_report_counts_every_gate(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 10)
    texts = {
        "0": "no",
        "1": pairwise("t2i", "A", "Fine."),
        "2": pairwise("t2i", "A", f"{sound('A')} Annotators chose it."),
        "3": pairwise("t2i", "A", "word " * 20),
    }

    def varied(question: TeacherQuestion) -> TeacherAnswer:
        text = texts.get(question.instruction[-1])
        if text is None:
            return good(question).model_copy(update={"tokens": 30})
        if question.label == "B" and text != "no":
            text = text.replace("Score A: 3.5", "Score A: 1.0").replace("Image A\n", "Image B\n")
        return TeacherAnswer(text=text, truth="vague")

    await produce(folder, FakeTeacher({"anchor": varied}), ParrotOptions(compare=True))
    report = export(folder)
    total = {gate: sum(g.passed[gate] for g in report.groups) for gate in report.groups[0].passed}
    assert total == {
        "finish": 10,
        "leak": 9,
        "format": 8,
        "score order": 8,
        "length": 7,
        "third picture": 7,
        "prediction": 6,
        "gain": 6,
    }
    assert sum(group.kept_pairs for group in report.groups) == 6
    assert {group.label for group in report.groups} == {"A", "B"}
    assert report.owed == 0
    assert report.share_a["school"] == [p.label for p in folder.pairs].count("A") / 10
    assert sum(report.chances) == 7
    assert report.chances[9] == 6
    assert report.flips == 0.0
    assert report.not_applicable["text_rendering"] == 1.0
    assert report.tokens["anchor"] == 18.0
    assert report.projections == {"kept": 12}
    assert report.ingested[0].kept == 10
    predictive, paper = sorted(report.filters, key=lambda found: found.variant != "predictive")
    assert (predictive.precision, predictive.recall, predictive.sound_kept) == (1.0, 1.0, 1.0)
    assert predictive.recall_by_fault == {"vague": 1.0}
    # Of the faulty ones the paper's filter cannot see that one gives the label away.
    assert (paper.kept, paper.recall, paper.faulty_kept) == (7, 0.75, 1 / 7)
    text = summarise(report)
    for words_ in ("recall of vague", "Rows: parrot pairwise 6", "school | t2i | A"):
        assert words_ in text
    assert json.loads((tmp_path / "report.json").read_text())["rows"] == report.rows


async def test_another_threshold_needs_no_teacher(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 2)
    unsure = FakeTeacher({"predict": lambda question: predicted(question, 0.7)})
    await produce(folder, unsure, ParrotOptions())
    assert export(folder).rows["parrot pairwise"] == 2
    strict = export(folder, options=ParrotOptions(tau=0.8))
    assert strict.rows == {}
    assert rows(folder) == []
    assert "Not finished" not in summarise(strict)


async def test_the_report_says_what_is_owed(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 2)
    await produce(folder, FakeTeacher(), ParrotOptions())
    report = export(folder, options=ParrotOptions(direct=True))
    assert report.owed == 6
    assert "6 questions are owed" in summarise(report)


async def test_agreement_with_people_by_dimension(tmp_path: Path) -> None:
    folder = ParrotFolder(tmp_path)
    labels = [("first", "second"), ("first", "tie"), ("first", "first")]
    ingest(
        folder,
        [
            replace(raw_pair(n), preferred_by={"text_faithfulness": a, "physical_quality": b})  # type: ignore[dict-item]
            for n, (a, b) in enumerate(labels)
        ],
    )
    await produce(folder, FakeTeacher(), ParrotOptions(project=False))
    report = export(folder)
    assert report.agreement == {"text_faithfulness": 1.0, "physical_quality": 0.5}


async def test_a_filter_without_known_faults_has_no_precision(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 2)

    def unknown(question: TeacherQuestion) -> TeacherAnswer:
        return good(question).model_copy(update={"truth": None})

    await produce(folder, FakeTeacher({"anchor": unknown}), ParrotOptions())
    (found,) = export(folder).filters
    assert (found.kept, found.precision, found.recall) == (2, None, None)


async def test_what_rationales_add_is_reported_and_may_decide(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 4)

    def sure(question: TeacherQuestion) -> TeacherAnswer:
        """Knows the label of two pairs by their pictures already."""
        found = predicted(question, 0.9)
        if question.rationale or question.instruction[-1] in "01":
            return found
        label = next(p.label for p in folder.pairs if question.id.startswith(p.id))
        other: Label = "B" if label == "A" else "A"
        return TeacherAnswer(text=label, chances={label: 0.95, other: 0.05})

    await produce(folder, FakeTeacher({"predict": sure}), ParrotOptions())
    report = export(folder)
    assert report.rows["parrot pairwise"] == 4
    assert report.baseline == pytest.approx(0.725)
    assert report.gain == pytest.approx(0.175)
    assert report.without_gain == 2
    assert "Without the rationale the label has 72.5%, with it +17.5% more; 2 of" in summarise(
        report
    )
    strict = export(folder, options=ParrotOptions(gain=0.1))
    assert (strict.rows["parrot pairwise"], strict.without_gain) == (2, 0)
    off = export(folder, options=ParrotOptions(baseline=False))
    assert (off.rows["parrot pairwise"], off.gain, off.owed) == (4, None, 0)


async def test_a_run_from_before_the_baseline_owes_none(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 2)
    await produce(folder, FakeTeacher(), ParrotOptions(baseline=False))
    record = json.loads((tmp_path / "run.json").read_text())
    del record["options"]["baseline"], record["options"]["gain"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    report = export(folder)
    assert (report.owed, report.rows["parrot pairwise"]) == (0, 2)
