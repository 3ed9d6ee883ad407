from __future__ import annotations

import pytest
from hypothesis import given
from pydantic import ValidationError

from rr_refine.sketch.world.scene import MAX_SHAPES, PLACES, WORD_PLACES, Lettering, Scene
from tests.sketch.world.builders import fixed, scene, scenes, shape

HEART = shape("small pink heart at top")
STAR = shape("large blue star at bottom right")


@pytest.mark.parametrize(
    ("shapes", "lettering", "fault"),
    [
        ((), None, "at least 1"),
        ((STAR, HEART), None, "reading order"),
        ((HEART, HEART), None, "two things in one place"),
        ((HEART,), Lettering(word="SUN", place="top"), "two things in one place"),
        ((HEART,), Lettering(word="SUN", place="left"), "a word stands at one of top, center"),
    ],
)
def test_what_is_no_scene(shapes: tuple[object], lettering: Lettering | None, fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Scene.model_validate({"background": "white", "shapes": shapes, "lettering": lettering})


def test_at_most_five_shapes() -> None:
    crowd = [HEART.model_copy(update={"place": place}) for place in PLACES]
    assert len(scene(*["small red ring at top"]).with_shapes(*crowd[:MAX_SHAPES]).shapes) == 5
    with pytest.raises(ValidationError, match="at most 5"):
        scene("small red ring at top").with_shapes(*crowd[: MAX_SHAPES + 1])


def test_with_shapes_sorts_them_and_keeps_the_rest() -> None:
    made = scene("small red ring at left", on="black", word="HI").with_shapes(STAR, HEART)
    assert made == Scene(
        background="black",
        shapes=(HEART, STAR),
        lettering=Lettering(word="HI", place="center"),
    )
    assert made.at("top") == HEART
    assert made.at("center") is None


@fixed
@given(scenes())
def test_random_scenes_are_valid_and_survive_json(made: Scene) -> None:
    assert Scene.model_validate_json(made.model_dump_json()) == made
    assert all(made.at(seen.place) == seen for seen in made.shapes)
    assert made.lettering is None or made.lettering.place in WORD_PLACES
