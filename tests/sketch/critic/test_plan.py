from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from rr_refine.sketch.checking import RequestedEdit
from rr_refine.sketch.observation import Observation, observation_of, read_observation
from rr_refine.sketch.plan import describe_plan, plan, plan_edit
from rr_refine.sketch.world.edit import random_edit, read_edit
from rr_refine.sketch.world.phrasing import (
    REGISTERS,
    describe,
    read_request,
    request_for,
)
from rr_refine.sketch.world.request import SceneRequest, violations
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import Scene
from rr_refine.sketch.world.understanding import not_understood
from tests.sketch.critic.observations import random_observation


def observed(words: str) -> Observation:
    found = read_observation(words)
    assert found
    return found


def plans(seed: int, count: int) -> Iterator[tuple[SceneRequest, Scene]]:
    random = Random(seed)
    for _ in range(count):
        scene = random_scene(random)
        request = request_for(scene, random.choice(REGISTERS), random)
        chance = random if random.random() < 0.5 else None
        target = plan(request, random_observation(scene, random), chance)
        assert target
        yield request, target


def test_every_plan_meets_its_request_and_can_be_said() -> None:
    for number, (request, target) in enumerate(plans(1, 800)):
        assert violations(request, target) == ()
        if number % 3 == 0:
            said = read_request(describe(target))
            assert said and violations(said, target) == ()
            assert not_understood(describe(target)) == ()


def test_what_is_right_stays_as_it_is() -> None:
    random = Random(2)
    for _ in range(200):
        scene = random_scene(random)
        request = request_for(scene, random.choice(REGISTERS), random)
        assert plan(request, observation_of(scene), random) == scene


def test_what_was_left_out_is_all_that_is_added() -> None:
    random = Random(3)
    for _ in range(200):
        scene = random_scene(random, shapes=random.randint(2, 5))
        gone = random.choice(scene.shapes)
        request = request_for(scene, "terse", random)
        seen = scene.with_shapes(*(shape for shape in scene.shapes if shape != gone))
        target = plan(request, observation_of(seen), random)
        assert target
        assert set(seen.shapes) < set(target.shapes)


@pytest.mark.parametrize(
    ("request_", "seen", "planned"),
    [
        ("a red circle", "black background; nothing", "black background; a large red circle at"),
        ("a red circle on a white background", "black background; a small red circle at the top",
         "white background; a small red circle at the top"),
        ("a red circle", "white background; a large red circle at the top; a large red circle at "
         "the left; a small blue star at the center", "white background; a large red"),
        # What is not asked for takes no place.
        ("a red circle", "white background; a small blue circle at the center",
         "white background; a large red circle at the center"),
        ("a red circle and a blue star", "white background; a small red circle at the right; a "
         "small red star at the top", "white background; a large blue star at the center; a small "
         "red circle at the right"),
        # One of the two has to move, and there is one way only.
        ("a red circle left of a blue star on a gray background", "gray background; a small blue "
         "star at the left; a small red circle at the center", "gray background;"),
        ("a red circle and the word SUN at the top", "unclear background; a large red circle at "
         "the top; unclear letters", "white background; a large red circle at the"),
    ],
)  # fmt: skip
def test_plans(request_: str, seen: str, planned: str) -> None:
    request = read_request(request_)
    assert request
    target = plan(request, observed(seen))
    assert target
    assert describe(target).startswith(planned)
    assert len(target.shapes) == request.count


@pytest.mark.parametrize(
    ("seen", "planned"),
    [
        # Met, so that all of it stays.
        ("white background; a small red circle at the top; a small blue star at the right; a large "
         "green heart at the bottom",
         "a red circle (at the top: small), a blue star (at the right: small), a green heart (at "
         "the bottom: large)"),
        # Met, but there is one too many: which could stay is a puzzle.
        ("white background; a small red circle at the top; a small blue star at the top right; a "
         "small red circle at the center; a large green heart at the bottom",
         "a red circle (at the left: small), a blue star (at the right: small), a green heart (at "
         "the bottom: large)"),
        # Not met: both go where they are surely right, and what is in no relation stays.
        ("white background; a small blue star at the top; a small red circle at the right; a large "
         "green heart at the left",
         "a red circle (at the top left: small), a blue star (at the right: small), a green heart "
         "(at the left: large)"),
        ("white background; a large green heart at the left; a small blue star at the top right",
         "a red circle (at the top left: large), a blue star (at the right: small), a green heart "
         "(at the left: large)"),
    ],
)  # fmt: skip
def test_what_stands_wrong_to_each_other_is_laid_out_anew(seen: str, planned: str) -> None:
    request = read_request("a red circle left of a blue star and a green heart")
    assert request
    target = plan(request, observed(seen))
    assert target
    assert describe_plan(request, target, observed(seen)) == planned


@pytest.mark.parametrize(
    "impossible",
    [
        "a red circle at the top and a blue star at the top",
        "a red circle left of a blue star left of a green heart left of a pink ring",
        "a red circle and a large red circle",
        "a red circle and the word SUN at the left",
        "a red circle at the top and the word SUN at the top",
    ],
)
def test_what_contradicts_itself_has_no_plan(impossible: str) -> None:
    request = read_request(impossible)
    assert request
    assert plan(request, Observation("white")) is None
    assert plan(request, Observation("white"), Random(0)) is None


def test_a_plan_in_words_has_every_shape_and_the_word_once() -> None:
    for request, target in plans(6, 300):
        said = describe_plan(request, target, Observation("white"))
        for shape in target.shapes:
            assert said.count(f"at the {shape.place}: {shape.size}") == 1
        assert said.count(f"(at the {target.lettering.place})" if target.lettering else "word") == (
            target.lettering is not None
        )


@pytest.mark.parametrize(
    ("request_", "planned"),
    [
        ("two red circles and a small blue star", "two red circles (at the center: large, at "
         "the left: large), a small blue star (at the right: small)"),
        ("two red circles left of a blue star and the word SUN", "the word SUN (at the bottom), "
         "two red circles (at the left: large, at the top left: large), a blue star (at the right: "
         "large)"),
        ("a red circle below a blue star", "a red circle (at the bottom: large), a blue star (at "
         "the top: large)"),
        ("a red circle right of a blue star above a green heart", "a red circle (at the right: "
         "large), a blue star (at the top left: large), a green heart (at the bottom: large)"),
    ],
)  # fmt: skip
def test_where_things_go_when_nothing_is_seen(request_: str, planned: str) -> None:
    request = read_request(request_)
    assert request
    target = plan(request, Observation("white"))
    assert target
    assert describe_plan(request, target, Observation("white")) == planned


def test_a_plan_says_what_stays_before_what_goes_where_there_is_room() -> None:
    """Whoever writes it from left to right has seen which places are taken."""
    request = read_request("three red circles and the word SUN")
    assert request
    seen = observed(
        "white background; a small red circle at the top; a large red circle at the right"
    )
    target = plan(request, seen)
    assert target
    assert describe_plan(request, target, seen) == (
        "the word SUN (at the bottom), three red circles (at the top: small, at the right: large, "
        "at the center: small)"
    )


def test_the_same_chance_gives_the_same_plan() -> None:
    request = read_request("two red circles and a blue star")
    assert request
    made = {plan(request, Observation("white"), Random(9)) for _ in range(5)}
    assert len(made) == 1
    assert len({plan(request, Observation("white"), Random(seed)) for seed in range(20)}) > 5
    assert len({plan(request, Observation("white")) for _ in range(5)}) == 1


def test_a_dense_edit_means_the_same_edit() -> None:
    random = Random(5)
    for _ in range(200):
        scene = random_scene(random)
        edit = random_edit(scene, random)
        assert read_edit(plan_edit(RequestedEdit(edit, scene)), scene) == edit
