from __future__ import annotations

from random import Random

import numpy as np
import pytest

from rr_refine.sketch.world.drawing import (
    BACKGROUND_RGB,
    COLOUR_RGB,
    RADIUS,
    SIDE,
    centre_of,
    draw,
    ink_of,
    silhouette,
)
from rr_refine.sketch.world.scene import BACKGROUNDS, COLOURS, KINDS, PLACES, SIZES, Kind, Size
from tests.sketch.world.builders import scene


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("colour", COLOURS)
def test_colours_are_exact_without_jitter(background: str, colour: str) -> None:
    made = scene(f"large {colour} circle at left").model_copy(update={"background": background})
    image = draw(made)
    assert image.size == (SIDE, SIDE)
    assert image.mode == "RGB"
    x, y = centre_of("left")
    assert image.getpixel((int(x), int(y))) == COLOUR_RGB[made.shapes[0].colour]
    assert image.getpixel((SIDE - 1, SIDE - 1)) == BACKGROUND_RGB[made.background]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_shape_fills_its_radius_and_no_more(kind: Kind, size: Size) -> None:
    covered = np.asarray(silhouette(kind, (64, 64), RADIUS[size])) > 127
    rows, columns = np.nonzero(covered)
    farthest = np.hypot(rows + 0.5 - 64, columns + 0.5 - 64).max()
    assert 0.9 * RADIUS[size] < farthest < 1.25 * RADIUS[size]


def test_kinds_look_different() -> None:
    drawn = [np.asarray(silhouette(kind, (64, 64), 12.0), np.float32) / 255 for kind in KINDS]
    for index, one in enumerate(drawn):
        for other in drawn[:index]:
            assert np.minimum(one, other).sum() / np.maximum(one, other).sum() < 0.9


def test_jitter_is_drawn_from_random_and_is_small() -> None:
    made = scene(
        "small red star at center", "large green square at bottom right", word="HI", at="top"
    )
    still, moved = np.asarray(draw(made), int), np.asarray(draw(made, Random(1)), int)
    assert (moved == np.asarray(draw(made, Random(1)), int)).all()
    assert (moved != np.asarray(draw(made, Random(2)), int)).any()
    middles = [tuple(int(along) for along in centre_of(shape.place)) for shape in made.shapes]
    assert max(abs(still[y, x] - moved[y, x]).max() for x, y in middles) <= 5


def test_scenes_drawn_alike_agree_in_what_they_share() -> None:
    one = scene("small red star at left", "large blue ring at bottom right")
    other = scene("large green heart at top", "small red star at left")
    left = (slice(None), slice(0, SIDE // 3), slice(None))
    pictures = [np.asarray(draw(made, Random(3)))[left] for made in (one, other)]
    assert (pictures[0] == pictures[1]).all()


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_words_stand_out(background: str) -> None:
    made = scene("small red star at left", word="STOP").model_copy(
        update={"background": background}
    )
    paper, ink = (
        np.array(rgb, int) for rgb in (BACKGROUND_RGB[made.background], ink_of(made.background))
    )
    assert abs(paper - ink).min() > 100
    middle = np.asarray(draw(made), int)[54:74, 36:92]
    assert (abs(middle - ink).max(axis=2) < 10).mean() > 0.1


def test_places_are_the_middles_of_a_grid() -> None:
    assert [centre_of(place) for place in PLACES[:4]] == [
        pytest.approx(point)
        for point in [
            (SIDE / 6, SIDE / 6),
            (SIDE / 2, SIDE / 6),
            (SIDE * 5 / 6, SIDE / 6),
            (SIDE / 6, SIDE / 2),
        ]
    ]
