from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from PIL import Image

from rr_refine.sketch.checking import (
    Asked,
    Change,
    check,
    how_far_made,
    lost,
    missed,
    scores_of,
    task_of,
)
from rr_refine.sketch.oracle import grading
from rr_refine.sketch.oracle.oracle import Reading
from rr_refine.sketch.sight import Sight, sight_of
from rr_refine.sketch.world.edit import apply, random_edit
from rr_refine.sketch.world.reading import read_request
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import Lettering, Scene
from rr_refine.terms import dimensions_of
from tests.sketch.critic.sights import random_asked, random_sight

PICTURE = Image.new("RGB", (8, 8))


def as_read(sight: Sight, letters: str) -> Reading:
    """What the oracle would have read where `sight` is true."""
    written = sight.lettering.word if sight.lettering else letters * sight.unclear_letters
    return Reading(
        scene=None,
        residual=0.0,
        doubts=(
            *(f"a blob at the {place}" for place in sight.doubts),
            *([] if sight.background else ["the colour of the background"]),
            *([] if sight.shapes else ["any shape"]),
        ),
        background=sight.background,
        shapes=sight.shapes,
        lettering=sight.lettering,
        letters=written or None,
    )


def graded(asked: Asked) -> grading.Grade:
    if isinstance(asked, Change):
        return grading.grade_edit(asked.edit, asked.source, PICTURE)
    return grading.grade_request(asked, PICTURE)


def test_it_judges_a_sight_as_the_oracle_judges_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(3)
    for _ in range(500):
        asked, scene = random_asked(random)
        sight = random_sight(scene, random)
        letters = random.choice(("SUM", "SNU", "XQJ", "S"))
        reading = as_read(sight, letters)
        monkeypatch.setattr(grading, "read_picture", lambda image, found=reading: found)
        grade = graded(asked)
        assert sight_of(reading) == sight
        assert missed(asked, sight) == grade.missed
        quality = grade.scores["physical_quality"]
        assert quality is not None
        rounded = {d: None if s is None else round(s, 1) for d, s in grade.scores.items()}
        assert scores_of(asked, sight, quality, letters) == rounded


def test_every_dimension_of_the_task_is_scored_in_order() -> None:
    random = Random(4)
    for _ in range(50):
        asked, scene = random_asked(random)
        scores = scores_of(asked, sight_of(scene), 3.2)
        assert tuple(scores) == dimensions_of(task_of(asked))
        assert {score for score in scores.values() if score} <= {4.0, 3.2}


def test_places_are_said_before_the_verdict() -> None:
    request = read_request("three red circles left of a blue star on a white background")
    seen = read_scene(
        "black background; a small green ring at the top; a large red circle at the left; "
        "a small red circle at the center; a large blue star at the right"
    )
    assert request
    assert list(map(str, check(request, sight_of(seen)))) == [
        "three red circles (at the left, at the center: no)",
        "a blue star (at the right: yes)",
        "three red circles left of a blue star (at the left, at the center, at the right: yes)",
        "a white background (black background: no)",
        "nothing else (at the top: no)",
    ]


def test_words_are_said_as_they_are_read() -> None:
    request = read_request("a red circle and the word SUN at the top")
    seen = read_scene("black background; a large red circle at the left")
    assert request
    for lettering, unclear, said in (
        (Lettering(word="SUN", place="top"), False, "the word SUN at the top: yes"),
        (Lettering(word="SUN", place="center"), False, "the word SUN at the center: no"),
        (None, True, "unclear letters: no"),
        (None, False, "none: no"),
    ):
        sight = replace(sight_of(seen), lettering=lettering, unclear_letters=unclear)
        assert str(check(request, sight)[1]) == f"the word SUN at the top ({said})"
        wordless = read_request("a red circle")
        assert wordless
        *_, rest = check(wordless, sight)
        assert rest.met == (said == "none: no")
        assert str(rest) == f"nothing else ({'yes' if rest.met else said.split(':')[0] + ': no'})"


def test_what_is_asked_for_may_be_nowhere_or_too_often() -> None:
    request = read_request("a red circle and a blue star")
    seen = read_scene(
        "black background; a large red circle at the left; a small red circle at the center"
    )
    assert request
    assert list(map(str, check(request, sight_of(seen)))) == [
        "a red circle (at the left, at the center: no)",
        "a blue star (none: no)",
        "nothing else (yes)",
    ]


def test_a_move_may_be_half_made() -> None:
    random = Random(5)
    scene = random_scene(random, shapes=3)
    edit = random_edit(scene, random, "move")
    assert edit.target and edit.shape
    change = Change(edit, scene)
    both = scene.with_shapes(*scene.shapes, edit.shape)
    made = [how_far_made(change, sight_of(s)).undone for s in (scene, both, apply(edit, scene))]
    assert made == [2, 1, 0]
    assert lost(change, sight_of(both)) == ()


def read_scene(text: str) -> Scene:
    request = read_request(text)
    assert request and request.background
    return Scene.model_validate(
        {
            "background": request.background,
            "shapes": [group.model_dump(exclude={"count"}) for group in request.groups],
        }
    )
