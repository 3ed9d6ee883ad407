"""The critic in the box: it reads what it is shown, in the format, and says what is wrong."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.sketch.bench.answers import in_world, named_misses
from rr_refine.sketch.critic import SketchCritic, SketchCriticOptions
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.phrasing import phrase, request_for
from rr_refine.sketch.world.request import violations
from rr_refine.sketch.world.sampling import random_scene
from tests.sketch.world.builders import scene


@pytest.fixture(scope="module")
def critic() -> SketchCritic:
    return SketchCritic(SketchCriticOptions(device="cpu", batch=16))


async def test_right_pictures_score_above_wrong_ones(critic: SketchCritic) -> None:
    random = Random(20)
    right, wrong = [], []
    for _ in range(12):
        shown, other = random_scene(random), random_scene(random)
        asked = request_for(shown, "terse", random)
        if not violations(asked, other):
            continue
        words = phrase(asked, "terse", random)
        right.append(CritiqueRequest(words, draw(shown, random)))
        wrong.append(CritiqueRequest(words, draw(other, random)))
    judged = await asyncio.gather(*map(critic.critique, [*right, *wrong]))
    good, bad = judged[: len(right)], judged[len(right) :]
    higher = sum(a.reward > b.reward for a, b in zip(good, bad, strict=True))
    assert higher >= 0.8 * len(right)
    refined = [text for one in judged if (text := one.critiques[0].refined_request)]
    assert refined
    assert all(map(in_world, refined))


async def test_it_names_what_is_missing(critic: SketchCritic) -> None:
    picture = draw(scene("large red circle at left", "small blue star at right"), Random(3))
    judged = await critic.critique(CritiqueRequest("two red circles and a blue star", picture))
    assert "two red circles" in named_misses(judged.critiques[0])
    assert judged.mean["text_faithfulness"] is not None
    assert judged.mean["text_faithfulness"] < 3.0
    assert judged.mean["text_rendering"] is None


async def test_it_compares_two_pictures_and_does_not_take_the_wrong_one(
    critic: SketchCritic,
) -> None:
    good = draw(scene("large green heart at center"), Random(4))
    bad = draw(scene("small red moon at top left"), Random(4))
    for a, b, wrong in ((good, bad, "b"), (bad, good, "a")):
        comparison = await critic.compare(ComparisonRequest("a green heart", a, b))
        assert comparison.winner != wrong
