from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from rr_refine.digest import image_digest
from rr_refine.errors import ConfigError, CriticError
from rr_refine.reward.parser import parse_comparison, parse_critique
from rr_refine.reward.preferences.pair import PreferencePair
from rr_refine.sketch.checking import RequestedEdit
from rr_refine.sketch.oracle.grading import grade_picture as grade_of
from rr_refine.sketch.oracle.grading import read_asked
from rr_refine.sketch.training.critic.cases import drawn_cases, raw_pairs
from rr_refine.sketch.training.critic.mutation import EDIT_MUTATIONS, MUTATIONS, mutate, mutate_edit
from rr_refine.sketch.training.critic.rendered import rendered_cases, rendered_pictures
from rr_refine.sketch.training.critic.teacher import SketchTeacher, SketchTeacherOptions, create
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.edit import random_edit
from rr_refine.sketch.world.phrasing import describe
from rr_refine.sketch.world.request import SceneRequest
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.terms import dimensions_of
from rr_refine.training.parrot.folder import ParrotFolder
from rr_refine.training.parrot.ingest import ingest
from rr_refine.training.parrot.teacher import Teacher, TeacherQuestion
from tests.sketch.critic.observations import task_of


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_mutations_make_valid_scenes_that_differ(mutation: str) -> None:
    random = Random(1)
    changed = 0
    for _ in range(60):
        scene = random_scene(random)
        other = mutate(scene, random, mutation)  # type: ignore[arg-type]
        assert type(other).model_validate(other.model_dump()) == other
        changed += other != scene
    assert changed >= 30


@pytest.mark.parametrize("mutation", EDIT_MUTATIONS)
def test_botched_edits_are_valid_scenes(mutation: str) -> None:
    random = Random(2)
    botched = 0
    for _ in range(100):
        scene = random_scene(random)
        change = RequestedEdit(random_edit(scene, random), scene)
        other = mutate_edit(change, random, mutation)  # type: ignore[arg-type]
        assert type(other).model_validate(other.model_dump()) == other
        botched += other != change.expected
    assert botched >= 50


def test_words_are_asked_for_often() -> None:
    cases = islice(drawn_cases(3, pictures=1, edits=0.0), 150)
    worded = sum(
        isinstance(case.asked, SceneRequest) and case.asked.word is not None for case in cases
    )
    assert 0.28 < worded / 150 < 0.52


def test_drawn_cases_come_again_by_their_seed() -> None:
    first = list(islice(drawn_cases(5), 4))
    again = list(islice(drawn_cases(5), 4))
    assert [case.prompt for case in first] == [case.prompt for case in again]
    for case, other in zip(first, again, strict=True):
        assert list(map(image_digest, case.pictures)) == list(map(image_digest, other.pictures))
        assert (case.source is None) == (task_of(case.asked) == "t2i")
        for grade in case.grades:
            assert tuple(grade.scores) == dimensions_of(task_of(case.asked))
    assert len({case.key for case in first}) == 4
    assert all(task_of(case.asked) == "edit" for case in islice(drawn_cases(1, edits=1.0), 2))


def write_manifest(folder: Path) -> Path:
    random = Random(3)
    scene = random_scene(random, worded=False)
    edit = random_edit(scene, random, "background")
    draw(scene).save(folder / "a.png")
    draw(random_scene(random)).save(folder / "b.png")
    edited = f"change the background to {edit.background}"
    lines = [
        {"prompt": describe(scene), "seed": 0, "file": "a.png", "model": "m"},
        {"prompt": describe(scene), "seed": 1, "file": "b.png", "model": "m"},
        {"prompt": "a unicorn", "seed": 0, "file": "a.png"},
        {"prompt": edited, "seed": 0, "file": "a.png", "source": "a.png"},
        {"prompt": edited, "seed": 1, "file": "b.png", "source": "a.png"},
    ]
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return manifest


def test_renders_of_one_request_are_a_case(tmp_path: Path) -> None:
    first, second = rendered_cases(write_manifest(tmp_path), others=0)
    assert first.grades[0].exact
    assert not first.grades[1].exact
    assert first.made_by == ("m", "m")
    assert isinstance(second.asked, RequestedEdit)
    assert second.grades[0].missed == ("the change",)
    (pair,) = raw_pairs([first], dataset="sketch")
    assert (pair.preferred, pair.instruction) == ("first", first.prompt)


def test_renders_are_judged_by_other_requests_too(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path)
    first, *others, edit = rendered_cases(manifest, others=40)
    assert isinstance(edit.asked, RequestedEdit), "edits have no others"
    assert len({case.key for case in (first, *others, edit)}) == 42
    moved = 0
    for case in others:
        assert read_asked(case.prompt, None) == case.asked
        for picture, grade, made in zip(case.pictures, case.grades, first.pictures, strict=True):
            assert grade == grade_of(case.asked, picture)
            moved += image_digest(picture) != image_digest(made)
    assert 20 < moved < 60
    exact = sum(grade.exact for case in others for grade in case.grades)
    assert 4 < exact < 40, "near what one of the pictures shows, and not always just that"
    again = [case.prompt for case in rendered_cases(manifest, others=40)]
    assert [case.prompt for case in others] == again[1:-1]


def test_a_word_that_is_smeared_is_asked_for_again(tmp_path: Path) -> None:
    asked = "a small red star at the left and the word SUN"
    shown = random_scene(Random(1), shapes=1, worded=True)
    lettering = shown.lettering and shown.lettering.model_copy(update={"word": "SUX"})
    draw(shown.model_copy(update={"lettering": lettering})).save(tmp_path / "a.png")
    line = {"prompt": asked, "seed": 0, "file": "a.png"}
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(json.dumps(line) + "\n", "utf-8")
    first, *others = rendered_cases(manifest, others=30)
    assert first.grades[0].reading.lettering is None
    again = [isinstance(c.asked, SceneRequest) and c.asked.word == "SUN" for c in others]
    assert sum(again) > 20


def test_rendered_letters_are_read_by_the_oracle(tmp_path: Path) -> None:
    random = Random(2)
    scene = random_scene(random, shapes=2, worded=True)
    assert scene.lettering
    lines = []
    for word in (scene.lettering.word, "SUX", "ABCDE", ""):
        lettering = scene.lettering.model_copy(update={"word": word}) if word else None
        draw(scene.model_copy(update={"lettering": lettering})).save(tmp_path / f"x{word}.png")
        lines.append({"prompt": "a red star", "seed": 0, "file": f"x{word}.png"})
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    known, false, long = rendered_pictures(manifest)
    assert (known.words, known.scribbled) == ((scene.lettering,), None)
    assert (false.words, false.scribbled) == ((), scene.lettering.place)
    assert [picture.spelt for picture in (known, false, long)] == [scene.lettering.word, "SUX", ""]
    assert known.observation.lettering and false.observation.unclear_letters
    assert all(picture.damaged is None for picture in (known, false, long))


@pytest.mark.parametrize("line", ["nonsense", '{"prompt": "a red circle"}'])
def test_a_broken_manifest_is_named(tmp_path: Path, line: str) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(line + "\n", "utf-8")
    with pytest.raises(ConfigError, match=r"line 1 of .* is no render"):
        list(rendered_cases(manifest))
    with pytest.raises(ConfigError, match="cannot be read"):
        list(rendered_cases(tmp_path / "none.jsonl"))


@pytest.fixture
def folder(tmp_path: Path) -> ParrotFolder:
    folder = ParrotFolder(tmp_path)
    ingest(folder, raw_pairs(islice(drawn_cases(7), 12), dataset="sketch"))
    return folder


def question(folder: ParrotFolder, pair: PreferencePair, **more: object) -> TeacherQuestion:
    path = folder.pictures.path
    fields: dict[str, object] = {
        "id": f"{pair.id}:AB:0",
        "kind": "anchor",
        "task": pair.task,
        "instruction": pair.instruction,
        "source": path(pair.source) if pair.source else None,
        "image_a": path(pair.image_a),
        "image_b": path(pair.image_b),
        "label": pair.label,
        **more,
    }
    return TeacherQuestion(**fields)  # type: ignore[arg-type]


async def test_the_teacher_answers_every_kind_of_question(folder: ParrotFolder) -> None:
    teacher = SketchTeacher()
    assert isinstance(teacher, Teacher)
    assert len(folder.pairs) >= 6
    for pair in folder.pairs[:4]:
        anchored = await teacher.answer(question(folder, pair))
        assert anchored == await SketchTeacher().answer(question(folder, pair))
        assert anchored.truth
        critique = parse_comparison(anchored.text, pair.task)
        free = await teacher.answer(question(folder, pair, kind="judge", label=None))
        parse_comparison(free.text, pair.task)
        alone = question(folder, pair, kind="judge", label=None, image_b=None)
        parse_critique((await teacher.answer(alone)).text, pair.task)
        led = question(
            folder, pair, kind="project", label=None, image_b=None, side="A",
            rationale=anchored.text, scores=critique.scores_a,
        )  # fmt: skip
        parse_critique((await teacher.answer(led)).text, pair.task)
        asked = question(
            folder, pair, kind="predict", label=None, rationale=anchored.text,
            choices=("A", "B", "tie"),
        )  # fmt: skip
        chances = (await teacher.answer(asked)).chances
        assert chances and sum(chances.values()) == pytest.approx(1)


async def test_the_teacher_knows_the_sketch_world_only(folder: ParrotFolder) -> None:
    pair = folder.pairs[0]
    with pytest.raises(CriticError, match="makes nothing of the request 'a unicorn'"):
        await SketchTeacher().answer(question(folder, pair, instruction="a unicorn"))


def test_what_a_teacher_is_known_by() -> None:
    teacher, other = SketchTeacher(), SketchTeacher(SketchTeacherOptions(vague=0.5))
    assert teacher.identify("anchor") != other.identify("anchor")
    assert teacher.identify("predict") == other.identify("predict")
    assert create(seed=3).identify("predict") != teacher.identify("predict")
    with pytest.raises(ConfigError, match="vague"):
        create(vague=2)
