from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from PIL import Image

from rr_refine.sketch.checking import (
    RequestedEdit,
    check,
    edit_progress,
    missed,
    not_kept,
    scores_of,
)
from rr_refine.sketch.observation import Observation, observation_of
from rr_refine.sketch.oracle import grading
from rr_refine.sketch.oracle.reading import SceneReading
from rr_refine.sketch.world.edit import apply, random_edit
from rr_refine.sketch.world.phrasing import read_request
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import Lettering, Scene
from rr_refine.terms import dimensions_of
from tests.sketch.critic.observations import random_asked, random_observation, task_of

PICTURE = Image.new("RGB", (8, 8))


def as_read(observed: Observation, letters: str) -> SceneReading:
    """What the oracle would have read where `observed` is true."""
    written = observed.lettering.word if observed.lettering else letters * observed.unclear_letters
    return SceneReading(
        scene=None,
        residual=0.0,
        doubts=(
            *(f"a blob at the {place}" for place in observed.doubts),
            *([] if observed.background else ["the colour of the background"]),
            *([] if observed.shapes else ["any shape"]),
        ),
        background=observed.background,
        shapes=observed.shapes,
        lettering=observed.lettering,
        letters=written or None,
    )


def test_it_judges_a_sight_as_the_oracle_judges_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(3)
    for _ in range(500):
        asked, scene = random_asked(random)
        observed = random_observation(scene, random)
        letters = random.choice(("SUM", "SNU", "XQJ", "S"))
        reading = as_read(observed, letters)
        monkeypatch.setattr(grading, "read_picture", lambda image, found=reading: found)
        grade = grading.grade_picture(asked, PICTURE)
        assert observation_of(reading) == observed
        assert missed(asked, observed) == grade.missed
        quality = grade.scores["physical_quality"]
        assert quality is not None
        rounded = {d: None if s is None else round(s, 1) for d, s in grade.scores.items()}
        assert scores_of(asked, observed, quality, letters) == rounded


def test_every_dimension_of_the_task_is_scored_in_order() -> None:
    random = Random(4)
    for _ in range(50):
        asked, scene = random_asked(random)
        scores = scores_of(asked, observation_of(scene), 3.2)
        assert tuple(scores) == dimensions_of(task_of(asked))
        assert {score for score in scores.values() if score} <= {4.0, 3.2}


def test_places_are_said_before_the_verdict() -> None:
    request = read_request("three red circles left of a blue star on a white background")
    seen = read_scene(
        "black background; a small green ring at the top; a large red circle at the left; "
        "a small red circle at the center; a large blue star at the right"
    )
    assert request
    assert list(map(str, check(request, observation_of(seen)))) == [
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
        observed = replace(observation_of(seen), lettering=lettering, unclear_letters=unclear)
        assert str(check(request, observed)[1]) == f"the word SUN at the top ({said})"
        wordless = read_request("a red circle")
        assert wordless
        *_, rest = check(wordless, observed)
        assert rest.met == (said == "none: no")
        assert str(rest) == f"nothing else ({'yes' if rest.met else said.split(':')[0] + ': no'})"


def test_what_is_asked_for_may_be_nowhere_or_too_often() -> None:
    request = read_request("a red circle and a blue star")
    seen = read_scene(
        "black background; a large red circle at the left; a small red circle at the center"
    )
    assert request
    assert list(map(str, check(request, observation_of(seen)))) == [
        "a red circle (at the left, at the center: no)",
        "a blue star (none: no)",
        "nothing else (yes)",
    ]


def test_a_move_may_be_half_made() -> None:
    random = Random(5)
    scene = random_scene(random, shapes=3)
    edit = random_edit(scene, random, "move")
    assert edit.target and edit.shape
    change = RequestedEdit(edit, scene)
    both = scene.with_shapes(*scene.shapes, edit.shape)
    made = [
        edit_progress(change, observation_of(s)).undone for s in (scene, both, apply(edit, scene))
    ]
    assert made == [2, 1, 0]
    assert not_kept(change, observation_of(both)) == ()


def read_scene(text: str) -> Scene:
    request = read_request(text)
    assert request and request.background
    return Scene.model_validate(
        {
            "background": request.background,
            "shapes": [group.model_dump(exclude={"count"}) for group in request.groups],
        }
    )
