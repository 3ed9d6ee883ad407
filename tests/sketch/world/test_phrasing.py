"""Words and back again."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rr_refine.sketch.world.phrasing import (
    REGISTERS,
    Register,
    describe,
    phrase,
    random_register,
    read_request,
    request_for,
)
from rr_refine.sketch.world.request import SceneRequest, relation_phrase
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import Scene
from rr_refine.sketch.world.understanding import not_understood
from tests.sketch.world.builders import fixed, scene, scenes

CROWDED = scene(
    "large red circle at top left", "small red cross at left", "small red cross at bottom right",
    on="black", word="LOVE", at="bottom",
)  # fmt: skip


def meaning(request: SceneRequest) -> tuple[object, ...]:
    """What is asked for, the order of groups and the indices of relations left out."""
    return (
        sorted(group.model_dump_json() for group in request.groups),
        sorted(relation_phrase(request, relation) for relation in request.relations),
        request.background,
        request.word,
        request.word_place,
    )


@fixed
@given(scenes(), st.sampled_from(REGISTERS), st.integers(0, 99))
def test_what_is_said_is_understood(made: Scene, register: Register, seed: int) -> None:
    random = Random(seed)
    request = request_for(made, register, random)
    said = phrase(request, register, random)
    read = read_request(said)
    assert read, said
    assert meaning(read) == meaning(request), said
    assert not_understood(said) == ()


def test_every_register_says_it_in_its_way() -> None:
    crowded = request_for(CROWDED, "terse", Random(1))
    assert phrase(crowded, "terse") == "two red crosses, a red circle and the word LOVE"
    assert phrase(crowded, "casual") == (
        "please draw two red crosses, a red circle and the word LOVE for me"
    )
    frames = {phrase(crowded, "casual", Random(seed)) for seed in range(40)}
    assert len(frames) > 3
    assert describe(CROWDED) == (
        "black background; a large red circle at the top left; a small red cross at the left; "
        "a small red cross at the bottom right; the word LOVE at the bottom; two red crosses in all"
    )
    related = {
        phrase(request_for(CROWDED, "relational", Random(s)), "relational") for s in range(40)
    }
    assert any("a red circle above two red crosses" in said for said in related)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Two RED circles, and an orange star!", "two red circles and an orange star"),
        ("one red circle  to the left of a blue star", "a red circle left of a blue star"),
        ("the word 'sun', a red moon in the center", "a red moon at the center and the word SUN"),
        ("three pink crosses. Gray background, please!", "three pink crosses on a gray background"),
        ("five red ring", "five red rings"),
    ],
)  # fmt: skip
def test_people_say_it_differently(text: str, meant: str) -> None:
    read, plain = read_request(text), read_request(meant)
    assert read
    assert plain
    assert meaning(read) == meaning(plain)


@pytest.mark.parametrize(
    "text",
    ["", "a cat", "red", "circles", "six red circles", "three red circles and three red stars",
     "the word SUN", "two red circles at the top"],
)  # fmt: skip
def test_what_cannot_be_drawn_is_no_request(text: str) -> None:
    assert read_request(text) is None


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("two red circles and a blue star", ()),
        ("Please draw an orange moon at the bottom left.", ()),
        ("a photo of a cat in a red hat", ("photo", "cat", "hat")),
        ("a red circle, the word SUN's", ("SUN's",)),
        ("ein roter Kreis, ein roter Stern", ("ein", "roter", "Kreis", "Stern")),
    ],
)
def test_words_from_elsewhere(text: str, unknown: tuple[str, ...]) -> None:
    assert not_understood(text) == unknown


def test_a_third_of_the_requests_to_practise_on_have_a_relation() -> None:
    random = Random(3)
    asked = [
        request_for(random_scene(random), random_register(random), random) for _ in range(1000)
    ]
    assert 0.28 < sum(bool(request.relations) for request in asked) / 1000 < 0.38
    assert {random_register(random) for _ in range(100)} == {*REGISTERS}
