"""Pictures of any size in the square of the small models."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from rr_refine.sketch.framing import frame, is_sketch
from rr_refine.sketch.world.degrading import degrade
from rr_refine.sketch.world.drawing import SIDE, draw
from rr_refine.sketch.world.sampling import random_scene


def photo(width: int, height: int) -> Image.Image:
    """Colours that run into each other, with a disc in the middle, whose form can be measured."""
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    radius, x, y = min(width, height) / 4, width / 2, height / 2
    box = (x - radius, y - radius, x + radius, y + radius)
    ImageDraw.Draw(image).ellipse(box, fill=(255, 0, 255))
    return image


@pytest.mark.parametrize(
    ("size", "inner"),
    [
        ((4032, 3024), (128, 96)),
        ((1512, 2016), (96, 128)),
        ((2400, 600), (128, 32)),
        ((24, 18), (128, 96)),
        ((512, 512), (128, 128)),
        ((128, 128), (128, 128)),
        ((3000, 2), (128, 1)),
    ],
)
def test_the_whole_picture_goes_in_and_comes_out_in_its_proportions(
    size: tuple[int, int], inner: tuple[int, int]
) -> None:
    framed = frame(photo(*size))
    assert framed.image.size == (SIDE, SIDE)
    out = framed.cut_out(framed.image)
    assert out.size == inner
    told = " ".join(framed.notices)
    assert (f"{size[0]}x{size[1]} to {inner[0]}x{inner[1]}" in told) is (size != (SIDE, SIDE))
    assert ("bars" in told) is (inner != (SIDE, SIDE))


@pytest.mark.parametrize("size", [(1600, 1200), (600, 1200), (2400, 600)])
def test_a_disc_stays_round(size: tuple[int, int]) -> None:
    out = np.asarray(frame(photo(*size)).image).astype(int)
    rows, columns = np.nonzero((out[..., 0] > 200) & (out[..., 1] < 60))
    assert abs(np.ptp(rows) - np.ptp(columns)) <= 1


def test_only_pictures_of_the_small_world_pass_for_such() -> None:
    random = Random(5)
    for _ in range(40):
        picture = draw(random_scene(random), random)
        assert is_sketch(picture)
        assert is_sketch(degrade(picture, random, "light"))
        assert not is_sketch(picture.resize((512, 512)))
    noise = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    assert not is_sketch(Image.fromarray(noise))
    assert not is_sketch(photo(SIDE, SIDE))
    assert "rough forms" in frame(photo(SIDE, SIDE)).notices[0]
    assert frame(draw(random_scene(random))).notices == ()
