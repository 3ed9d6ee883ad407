from __future__ import annotations

from random import Random

import numpy as np
import pytest

from rr_refine.sketch.world.degrading import Strength, degrade
from rr_refine.sketch.world.drawing import SIDE, draw
from tests.sketch.world.builders import scene

IMAGE = draw(scene("large red ring at top", "small blue heart at right", word="NO"))


def change(strength: Strength, seed: int) -> float:
    """Mean absolute difference, levels."""
    worse = degrade(IMAGE, Random(seed), strength)
    assert (worse.mode, worse.size) == ("RGB", (SIDE, SIDE))
    return float(np.abs(np.asarray(worse, int) - np.asarray(IMAGE, int)).mean())


def test_heavy_is_worse_than_light() -> None:
    light = [change("light", seed) for seed in range(20)]
    heavy = [change("heavy", seed) for seed in range(20)]
    assert 0 < max(light) < 9
    assert sum(heavy) > 3 * sum(light)


@pytest.mark.parametrize("strength", ["light", "heavy"])
def test_a_seed_tells_the_picture(strength: Strength) -> None:
    one, same, other = (degrade(IMAGE, Random(seed), strength) for seed in (1, 1, 2))
    assert one.tobytes() == same.tobytes() != other.tobytes()


def test_the_picture_itself_stays() -> None:
    before = IMAGE.tobytes()
    for seed in range(10):
        degrade(IMAGE, Random(seed), "heavy")
    assert IMAGE.tobytes() == before
