"""What the small models say of themselves."""

from __future__ import annotations

from random import Random

import pytest
from PIL import Image

from rr_refine.component import Examples, examples_of, is_outside, unknown_to
from rr_refine.request import Request
from rr_refine.sketch.critic import SketchCritic
from rr_refine.sketch.limits import ShapesOnly
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.sampling import random_scene


def test_the_examples_are_understood_whole() -> None:
    examples = examples_of(ShapesOnly())
    assert isinstance(examples, Examples)
    assert examples.edit is not None
    for request in (
        Request(prompt=examples.t2i),
        Request(prompt=examples.edit, source="a digest"),
    ):
        assert unknown_to(ShapesOnly(), request) == ()
        assert not is_outside(ShapesOnly(), request)


@pytest.mark.parametrize(
    ("prompt", "left"),
    [
        ("a red circle left of a blue square", ()),
        (
            "a red circle left of a blue square left of a green star",
            ("a blue square left of a green star",),
        ),
        (
            "a red circle above a blue square, a green star below two pink hearts",
            ("a green star below two pink hearts",),
        ),
    ],
)
def test_the_critic_judges_one_relation(prompt: str, left: tuple[str, ...]) -> None:
    assert unknown_to(SketchCritic(), Request(prompt=prompt)) == left


def test_photos_are_outside_and_drawings_are_not() -> None:
    request = Request(prompt="make the red circle blue", source="a digest")
    drawing = draw(random_scene(Random(1)))
    for picture in (drawing, drawing.resize((512, 512)), drawing.resize((300, 200))):
        assert not is_outside(ShapesOnly(), request, picture)
    for size in ((300, 200), (2400, 300)):
        photo = Image.linear_gradient("L").resize(size).convert("RGB")
        assert is_outside(ShapesOnly(), request, photo)


@pytest.mark.parametrize("prompt", ["a cat", "remove the lamp"])
def test_others_are_outside(prompt: str) -> None:
    assert is_outside(ShapesOnly(), Request(prompt=prompt))
    assert is_outside(ShapesOnly(), Request(prompt=prompt, source="a digest"))
