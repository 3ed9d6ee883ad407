from __future__ import annotations

import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rr_refine import plugins
from rr_refine.agent.intent import problems
from rr_refine.agent.revision import merge_problems
from rr_refine.agent.rewriting.rewriter import RewriteContext
from rr_refine.errors import ConfigError
from rr_refine.request import Request
from rr_refine.sketch.remark import revised_edit, revised_request
from rr_refine.sketch.rewriter import SketchRewriter
from rr_refine.sketch.world.phrasing import (
    phrase,
    random_register,
    read_request,
    read_scene,
    request_for,
)
from rr_refine.sketch.world.request import requirements, violations
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import BACKGROUNDS
from tests.agent.builders import context


async def proposed(wanted: RewriteContext) -> list[str]:
    return [rewrite.prompt for rewrite in (await SketchRewriter().rewrite(wanted)).proposals]


async def test_a_request_is_said_in_full() -> None:
    asked = "three red circles left of a blue star and the word SUN"
    wanted = context(asked, remarks=["bigger"])
    proposals = [text.removesuffix(". Bigger.") for text in await proposed(wanted)]
    whole = [scene for text in proposals if (scene := read_scene(text))]
    assert len(whole) == len(set(proposals)) >= 3
    request = read_request(asked)
    assert request
    for scene in whole:
        assert violations(request, scene) == ()
    for proposal in await proposed(wanted):
        assert "Bigger." in proposal
        assert problems(proposal, wanted.spans, original=asked) == []


@pytest.mark.parametrize(
    "wanted",
    [
        context("three red circles left of a blue star, in oil"),
        context("two red circles", task="edit"),
        context("a red circle at the left and a blue star at the left"),  # no scene has both
        context("white background"),
    ],
)
async def test_nothing_else_is_said_in_full(wanted: RewriteContext) -> None:
    assert await proposed(wanted) == []


def test_it_comes_in_by_the_same_door_as_others_and_has_no_options() -> None:
    assert isinstance(plugins.create("rewriters", "sketch", {}), SketchRewriter)
    with pytest.raises(ConfigError, match=r"unknown option 'rewriter\.sketch\.loud'"):
        plugins.create("rewriters", "sketch", {"loud": True})


# -- remarks ---------------------------------------------------------------------------------------

ASKED = "two red circles and a blue star on a black background"


@pytest.mark.parametrize(
    ("remark", "text"),
    [
        ("make the background white", "two red circles and a blue star on a white background"),
        ("White background, please!", "two red circles and a blue star on a white background"),
        (
            "the background should be gray instead of black",
            "two red circles and a blue star on a gray background",
        ),
        ("make the star green", "two red circles and a green star on a black background"),
        (
            "the circles must be bigger",
            "two large red circles and a blue star on a black background",
        ),
        ("make it three red circles", "three red circles and a blue star on a black background"),
        ("3 circles instead of two", "three red circles and a blue star on a black background"),
        ("no blue star", "two red circles on a black background"),
        ("no star", "two red circles on a black background"),
        (
            "add a green heart above the star",
            "a green heart above a blue star and two red circles on a black background",
        ),
        (
            "put the star to the left of the circles",
            "a blue star left of two red circles on a black background",
        ),
        (
            "move the star to the top left",
            "two red circles and a blue star at the top left on a black background",
        ),
        ("turn the star into a pink moon", "two red circles and a pink moon on a black background"),
        (
            'write the word "SUN" at the top',
            "two red circles, a blue star and the word SUN at the top on a black background",
        ),
        (
            "make the background white and the star green",
            "two red circles and a green star on a white background",
        ),
        # -- what is not understood whole is not taken in by halves
        ("make it prettier", None),
        ("make the background white and shiny", None),
        ("make it blue", None),  # what?
        ("not black", None),
        ("nine circles", None),  # more than there can be
        ("make the background blue", None),
        ("remove the circles and the star", None),  # nothing is left
        ("no black circles", None),
        ("please " * 200 + "make the star green", None),  # no short instruction
    ],
)
async def test_remarks_are_read_into_the_request(remark: str, text: str | None) -> None:
    merged = await SketchRewriter().merge(Request(prompt=ASKED), remark)
    assert merged.prompt == text
    if text is not None:
        assert merge_problems(ASKED, remark, text) == []


@pytest.mark.parametrize(
    "remark",
    [
        "move the circles left of the star",
        "put the star left of the circles",
        "replace the circles with two squares",
    ],
)
async def test_several_things_where_one_is_meant(remark: str) -> None:
    asked = Request(prompt="a red circle, a blue circle and a green star on a white background")
    assert (await SketchRewriter().merge(asked, remark)).prompt is None


@pytest.mark.parametrize("request_", ["a cat on a black background", "a black background"])
async def test_nothing_is_read_into_other_requests(request_: str) -> None:
    merged = await SketchRewriter().merge(Request(prompt=request_), "make the background white")
    assert merged.prompt is None


@pytest.mark.parametrize(
    ("before", "remark", "text"),
    [
        ("make the red circle blue", "make the red circle green", "make the red circle green"),
        ("change the background to white", "Change the background to gray, please.", "…gray"),
        ("make the red circle blue", "change the background to gray", None),  # two edits
        ("remove the star", "no, the heart", None),
        (  # both may be wanted
            "add a small red circle at the top left",
            "add a large blue star at the bottom right",
            None,
        ),
    ],
)
async def test_remarks_about_edits(before: str, remark: str, text: str | None) -> None:
    request = Request(prompt=before, source="0" * 64)
    merged = (await SketchRewriter().merge(request, remark)).prompt
    assert merged == (text and text.replace("…", "change the background to "))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(BACKGROUNDS))
def test_any_request_takes_another_background_and_keeps_the_rest(seed: int, new: str) -> None:
    random = Random(seed)
    scene = random_scene(random)
    asked = request_for(scene, random_register(random), random)
    said = revised_request(phrase(asked, "casual", random), f"make the background {new}")
    assert said is not None
    expected = asked.model_copy(update={"background": new})
    read = read_request(said)
    assert read is not None
    assert sorted(requirements(read)) == sorted(requirements(expected))


def test_a_remark_without_end_is_not_read() -> None:
    start = time.process_time()
    assert revised_request("a red circle", "please " * 28_000 + "make it blue") is None
    assert revised_edit("remove the red circle", "please " * 28_000 + "remove it") is None
    assert time.process_time() - start < 5
