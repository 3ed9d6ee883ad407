from __future__ import annotations

from random import Random

import pytest

from rr_refine.sketch.observation import (
    Observation,
    describe_observation,
    observation_of,
    read_observation,
)
from rr_refine.sketch.oracle.reading import SceneReading
from rr_refine.sketch.world.phrasing import describe
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import Lettering, Shape
from tests.sketch.critic.observations import random_observation

STAR = Shape(kind="star", colour="blue", size="small", place="center")


def test_a_whole_scene_is_described_as_in_a_dense_request() -> None:
    random = Random(1)
    for _ in range(300):
        scene = random_scene(random)
        words = [part for part in describe(scene).split("; ") if not part.endswith(" in all")]
        assert describe_observation(observation_of(scene)) == "; ".join(words)


def test_what_is_written_can_be_read_back() -> None:
    random = Random(2)
    for _ in range(400):
        observed = random_observation(random_scene(random), random)
        assert read_observation(describe_observation(observed)) == observed


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        (Observation("white"), "white background; nothing"),
        (Observation(None, (STAR,)), "unclear background; a small blue star at the center"),
        (
            Observation("beige", (STAR,), None, True, ("top", "right")),
            "beige background; something unclear at the top; a small blue star at the center; "
            "something unclear at the right; unclear letters",
        ),
        (
            Observation("gray", (STAR, STAR), Lettering(word="SUN", place="top")),
            "gray background; a small blue star at the center; a small blue star at the center; "
            "the word SUN at the top",
        ),
    ],
)
def test_what_is_no_scene_has_words_too(observed: Observation, words: str) -> None:
    assert describe_observation(observed) == words
    assert read_observation(words) == observed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "some shapes",
        "white background; a star",
        "green background; nothing",
        "white",
    ],
)
def test_other_words_are_no_sight(text: str) -> None:
    assert read_observation(text) is None


def test_what_the_oracle_doubts_stands_where_it_says() -> None:
    reading = SceneReading(
        scene=None,
        residual=0.3,
        doubts=("a blue blob at the right", "a mark like letters at the top left", "any shape"),
        background="white",
        shapes=(STAR,),
        lettering=None,
        letters="SNU",
    )
    assert observation_of(reading) == Observation(
        "white", (STAR,), None, True, ("top left", "right")
    )
