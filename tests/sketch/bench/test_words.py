"""The blind rewriter, and what is read out of a critic's words."""

from __future__ import annotations

from random import Random

import pytest

from rr_refine.agent.intent import find_spans, problems
from rr_refine.agent.rewriting.rewriter import RewriteContext, Rewriter
from rr_refine.errors import ConfigError
from rr_refine.plugins import create
from rr_refine.reward.judging import Answer, read_critique
from rr_refine.sketch.bench.answers import in_world, meets, named_misses
from rr_refine.sketch.bench.rewriter import NAME, BlindSketchRewriter
from rr_refine.sketch.bench.tasks import requests
from rr_refine.sketch.checking import missed, scores_of
from rr_refine.sketch.observation import Observation, observation_of
from rr_refine.sketch.training.critic.wording import WrittenJudgement, critique_text
from rr_refine.sketch.world.phrasing import describe, read_request, read_scene
from rr_refine.sketch.world.request import SceneRequest
from rr_refine.sketch.world.sampling import random_scene
from tests.agent.builders import context

DENSE = "white background; a large red circle at the top left; a small blue star at the left"


async def rewritten(given: RewriteContext) -> list[str]:
    return [p.prompt for p in (await BlindSketchRewriter().rewrite(given)).proposals]


@pytest.mark.parametrize("task", requests("dev", 24), ids=lambda task: task.item.id)
async def test_blind_is_as_good_as_it_gets(task: object) -> None:
    prompt, asked = task.item.prompt, task.asked  # type: ignore[attr-defined]
    (proposal,) = await rewritten(context(prompt))
    assert meets(proposal, asked), "a whole scene that meets the request"
    assert in_world(proposal)
    assert problems(proposal, find_spans(prompt), original=prompt, tried=[prompt]) == []
    assert await rewritten(context(prompt)) == [proposal]


async def test_blind_edits_say_that_the_rest_stays() -> None:
    said = await rewritten(context("make the star red", task="edit"))
    assert said == ["make the star red; keep everything else the same"]


async def test_blind_has_nothing_to_say_of_another_world() -> None:
    assert await rewritten(context("a red fox in fresh snow")) == []


def test_blind_is_a_component() -> None:
    assert isinstance(create("rewriters", NAME, {}), Rewriter)
    with pytest.raises(ConfigError, match="unknown option"):
        create("rewriters", NAME, {"loud": True})


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (DENSE, True),
        (f"{DENSE}; the word SUN at the bottom", True),
        (f"{DENSE}; the word SUN", False),
        (f"{DENSE}; a red heart at the top", False),
        (f"{DENSE}; a large red heart at the left", False),
        (DENSE.removeprefix("white background; "), False),
        ("white background; two large red circles", False),
        ("a fox", False),
    ],
)
def test_scenes_that_are_asked_for(text: str, whole: bool) -> None:
    assert (read_scene(text) is not None) == whole


def test_scenes_are_read_back() -> None:
    random = Random(3)
    for _ in range(50):
        scene = random_scene(random)
        assert read_scene(describe(scene)) == scene


@pytest.mark.parametrize(
    ("text", "within", "true"),
    [
        (DENSE, True, True),
        (DENSE.replace("red", "pink"), True, False),
        (DENSE.replace("red", "crimson"), False, False),
        ("a red circle and a blue star", True, False),  # it leaves things open
        ("", False, False),
    ],
)
def test_refined_requests(text: str, within: bool, true: bool) -> None:
    asked = read_request("a red circle and a blue star")
    assert asked
    assert (in_world(text), in_world(text) and meets(text, asked)) == (within, true)


def test_misses_are_read_as_they_are_written() -> None:
    random = Random(4)
    several = 0
    for task in requests("dev", 60):
        assert isinstance(task.asked, SceneRequest)
        observed = observation_of(random_scene(random))
        judgement = WrittenJudgement(observed, scores_of(task.asked, observed, 4.0))
        answer = critique_text(task.asked, judgement)
        named = named_misses(read_critique(Answer(answer), "t2i"))
        assert named == set(missed(task.asked, observed))
        several += len(named) > 2
    assert several


def test_nothing_is_missed_where_nothing_is_named() -> None:
    asked = read_request("a red circle and a blue star")
    scene = read_scene(DENSE)
    assert asked
    assert scene
    for observed in (observation_of(scene), None):
        judgement = WrittenJudgement(
            observed, scores_of(asked, observed or Observation("white"), 4.0)
        )
        critique = read_critique(Answer(critique_text(asked, judgement)), "t2i")
        assert named_misses(critique) == frozenset()
