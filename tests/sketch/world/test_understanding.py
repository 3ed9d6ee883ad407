"""What of a request means nothing in the small world."""

from __future__ import annotations

import re
import time
from random import Random
from typing import Literal

import pytest

from rr_refine.request import MAX_PROMPT, Request
from rr_refine.sketch.intent import SketchIntentCheck
from rr_refine.sketch.world.phrasing import describe
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import COLOURS, KINDS, plural
from rr_refine.sketch.world.understanding import means_nothing, not_understood
from tests.benchmarks.outside import sentences

EVERY = [sentence.prompt for sentence in sentences("dev")]


@pytest.mark.parametrize(
    ("prompt", "open_"),
    [
        ("no red circle", ("no",)),
        ("a cat on a sofa", ("cat", "sofa")),
        ("a red circle in love with the sun", ("love", "sun")),
        ("stop, a blue star", ("stop",)),
        ("!!!???", ("!!!???",)),
        ("a red circle and the word NO", ()),
        ("a red circle and the word cat", ()),
        ("a red circle above a blue star", ()),
        # Known words in an order that says nothing, or more than was read.
        ("a white circle and a red square", ("a white circle",)),
        ("a red circle on a blue star", ("on",)),
        ("a red circle with a blue star", ("with",)),
        ("a red circle at the top, at the left", ("at the left",)),
        ("a red circle, a white background, a black background", ("a black background",)),
        ("a red circle, the word CAT, the word DOG", ("DOG",)),
        ("a red circle left of a blue star and above", ("above",)),
        ("a red circle; two red circles in all", ("two red circles in all",)),
        ("twenty-two red circles", ("twenty-two",)),
        ("a red circle ♥, a blue star → a moon", ("♥", "→")),
        ("a red circle\u200b", ("\u200b",)),
        # Read, and yet impossible in this world.
        ("three red circles and three blue stars", ("three red circles and three blue stars",)),
        ("two red circles at the top", ("two red circles at the top",)),
        ("white background", ("white background",)),
        ("the word SUN", ("the word SUN",)),
    ],
)
def test_a_request_is_read_whole(prompt: str, open_: tuple[str, ...]) -> None:
    assert not_understood(prompt) == open_


@pytest.mark.parametrize(
    ("prompt", "open_"),
    [
        ("make the red circle blue", ()),
        ("Remove the large star at the top left.", ()),
        ("remove the dragon; keep everything else the same", ("dragon",)),
        ("make the circle red and the star blue", ("make the circle red", "the star blue")),
        ("a red circle", ("a red circle",)),
        ("keep everything else the same", ("keep everything else the same",)),
    ],
)
def test_an_edit_is_read_whole(prompt: str, open_: tuple[str, ...]) -> None:
    assert not_understood(prompt, "edit") == open_


@pytest.mark.parametrize("sentence", EVERY)
def test_what_is_not_of_the_world_is_open(sentence: str) -> None:
    """So no picture of it can reach the target."""
    assert not_understood(sentence)


@pytest.mark.parametrize("sentence", EVERY)
def test_no_rewrite_drops_what_was_named(sentence: str) -> None:
    """Whatever scene a rewrite describes: it names the kinds and colours that the request names."""
    check, request = SketchIntentCheck(), Request(prompt=sentence)
    words = set(re.findall(r"[a-z]+", sentence.lower()))
    named = {kind for kind in KINDS if words & {kind, plural(kind)}} | (words & {*COLOURS})
    for seed in range(20):
        rewrite = describe(random_scene(Random(seed), worded=False))
        for prompt in (rewrite, f"{rewrite}, in oil", rewrite.split("; ")[1]):
            if not check.problems(request, prompt):
                assert all(word in prompt for word in named), prompt


@pytest.mark.parametrize(
    ("prompt", "task", "nothing"),
    [
        ("a cat", "t2i", True),
        ("portrait of my grandmother", "t2i", True),
        ("eine Katze", "t2i", True),
        ("赤い車", "t2i", True),
        ("square dance", "t2i", True),
        ("a rock star", "t2i", True),
        ("a cat on a white background", "t2i", True),
        ("!!!", "t2i", True),
        ("two squares, one of them small", "t2i", False),
        ("a dark red circle", "t2i", False),
        ("a star", "t2i", False),
        ("a red circle and a cat", "t2i", False),
        ("a red circle", "t2i", False),
        ("remove the lamp", "edit", True),
        ("make it red", "edit", False),
        ("make the star shine", "edit", False),
        ("remove the star", "edit", False),
    ],
)
def test_some_requests_name_nothing_of_the_world(
    prompt: str, task: Literal["t2i", "edit"], nothing: bool
) -> None:
    assert means_nothing(prompt, task) is nothing


@pytest.mark.parametrize("word", ["please ", "for me, ", "nice little ", "the word CAT ", "and, "])
def test_the_longest_request_is_read_in_seconds(word: str) -> None:
    request = word * (MAX_PROMPT // len(word) - 1) + "cat"
    start = time.process_time()
    assert not_understood(request)[-1] == "cat"
    assert time.process_time() - start < 20
