from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    PLACES,
    SIZES,
    WORD_PLACES,
    WORDS,
)


def test_every_value_is_common() -> None:
    random = Random(0)
    made = [random_scene(random) for _ in range(2000)]
    shapes = [shape for scene in made for shape in scene.shapes]
    for name, values in [
        ("kind", KINDS), ("colour", COLOURS), ("size", SIZES), ("place", PLACES),
    ]:  # fmt: skip
        seen = Counter(getattr(shape, name) for shape in shapes)
        assert set(seen) == set(values)
        assert min(seen.values()) > 0.8 * len(shapes) / len(values)
    assert {scene.background for scene in made} == set(BACKGROUNDS)
    lettered = [scene.lettering for scene in made if scene.lettering]
    assert {lettering.word for lettering in lettered} == set(WORDS)
    assert {lettering.place for lettering in lettered} == set(WORD_PLACES)
    assert 0.15 < len(lettered) / len(made) < 0.25
    repeated = sum(
        len({(s.kind, s.colour, s.size) for s in scene.shapes}) < len(scene.shapes)
        for scene in made
    )
    assert repeated > 0.3 * len(made)


@pytest.mark.parametrize("count", range(1, 6))
@pytest.mark.parametrize("worded", [True, False])
def test_asked_for(count: int, worded: bool) -> None:
    made = random_scene(Random(count), shapes=count, worded=worded)
    assert len(made.shapes) == count
    assert (made.lettering is not None) is worded


def test_a_seed_tells_the_scene() -> None:
    assert random_scene(Random(5)) == random_scene(Random(5)) != random_scene(Random(6))
