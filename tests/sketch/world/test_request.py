from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rr_refine.sketch.world.phrasing import REGISTERS, Register, dense, read_request, request_for
from rr_refine.sketch.world.request import (
    NOTHING_ELSE,
    Group,
    Relation,
    SceneRequest,
    requirements,
    violations,
)
from rr_refine.sketch.world.scene import Scene
from tests.sketch.world.builders import fixed, scene, scenes


def request(text: str) -> SceneRequest:
    read = read_request(text)
    assert read, text
    return read


TWO = scene("small red circle at left", "large red circle at right")
MIXED = scene(
    "large blue star at top left", "small red circle at right", "small red circle at bottom right",
    on="beige", word="CAT",
)  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "given", "missed"),
    [
        ("two red circles", TWO, []),
        ("a red circle", TWO, ["a red circle", NOTHING_ELSE]),
        ("three red circles", TWO, ["three red circles"]),
        ("two red rings", TWO, ["two red rings", NOTHING_ELSE]),
        ("two pink circles", TWO, ["two pink circles", NOTHING_ELSE]),
        ("two small red circles", TWO, ["two small red circles"]),
        ("a small red circle and a large red circle", TWO, []),
        ("a red circle at the left; a red circle at the right", TWO, []),
        ("a red circle at the left; a red circle at the top", TWO, ["a red circle at the top"]),
        ("two red circles on a black background", TWO, ["a black background"]),
        ("two red circles on a white background", TWO, []),
        ("two red circles and the word SUN", TWO, ["the word SUN"]),
        ("two red circles and a blue star", MIXED, [NOTHING_ELSE]),
        ("a blue star left of two red circles and the word CAT", MIXED, []),
        ("a blue star above two red circles and the word CAT", MIXED, []),
        (
            "a blue star below two red circles and the word CAT",
            MIXED,
            ["a blue star below two red circles"],
        ),
        (
            "two red circles left of a blue star and the word DOG on a gray background",
            MIXED,
            ["two red circles left of a blue star", "a gray background", "the word DOG"],
        ),
        (
            "a blue star and two red circles and the word CAT at the top",
            MIXED,
            ["the word CAT at the top"],
        ),
        (
            "a blue star left of a red ring and the word CAT",
            MIXED,
            ["a red ring", "a blue star left of a red ring", NOTHING_ELSE],
        ),
    ],
)
def test_violations(asked: str, given: Scene, missed: list[str]) -> None:
    wanted = request(asked)
    assert list(violations(wanted, given)) == missed
    assert set(missed) <= set(requirements(wanted))


@fixed
@given(scenes(), st.sampled_from(REGISTERS), st.integers(0, 99))
def test_a_scene_meets_its_own_requests(made: Scene, register: Register, seed: int) -> None:
    assert violations(request_for(made, register, Random(seed)), made) == ()


@fixed
@given(scenes(), scenes())
def test_a_dense_request_is_met_by_one_scene_only(made: Scene, other: Scene) -> None:
    assert bool(violations(dense(made), other)) is (made != other)
    emptier = made.model_copy(update={"shapes": made.shapes[1:]})
    assert violations(dense(made), emptier)


def group(count: int = 1, **more: str) -> dict[str, object]:
    return {"count": count, "colour": "red", "kind": "ring", **more}


@pytest.mark.parametrize(
    "fields",
    [
        {"groups": []},
        {"groups": [group(3), group(3)]},
        {"groups": [group(6)]},
        {"groups": [group(2, place="top")]},
        {"groups": [group()], "word_place": "top"},
        {
            "groups": [group()],
            "relations": [Relation(first=0, direction="above", second=1)],
        },
    ],
)
def test_what_nobody_can_ask_for(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SceneRequest.model_validate(fields)


def test_a_relation_needs_every_shape_in_place() -> None:
    wanted = request("two red circles above a blue star")
    right = scene(
        "small red circle at top", "small red circle at right", "large blue star at bottom"
    )
    level = scene("small red circle at top", "large blue star at left", "small red circle at right")
    assert violations(wanted, right) == ()
    assert violations(wanted, level) == ("two red circles above a blue star",)


def test_groups_that_are_asked_for_twice_are_counted_together() -> None:
    red = Group(count=1, colour="red", kind="circle")
    assert violations(SceneRequest(groups=(red, red)), TWO) == ()
    assert requirements(SceneRequest(groups=(red, red))) == ("a red circle", NOTHING_ELSE)
