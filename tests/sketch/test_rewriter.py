from __future__ import annotations

import pytest

from rr_refine import plugins
from rr_refine.agent.intent import problems
from rr_refine.agent.rewriting.rewriter import RewriteContext
from rr_refine.errors import ConfigError
from rr_refine.sketch.rewriter import SketchRewriter
from rr_refine.sketch.world.phrasing import read_request, read_scene
from rr_refine.sketch.world.request import violations
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
