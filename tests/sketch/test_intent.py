from __future__ import annotations

import pytest

from rr_refine import plugins
from rr_refine.agent.intent import IntentCheck
from rr_refine.request import Request
from rr_refine.sketch.intent import SketchIntentCheck

ASKED = "two red circles left of a blue star"
WHOLE = (
    "white background; a large red circle at the top left; a small red circle at the left; "
    "a large blue star at the bottom right"
)


@pytest.mark.parametrize(
    ("original", "rewrite", "lost"),
    [
        (ASKED, WHOLE, []),
        (ASKED, WHOLE.replace("red", "pink"), ["two red circles", f"{ASKED}", "nothing else"]),
        (ASKED, WHOLE.replace("at the left", "at the right"), [ASKED]),
        (
            ASKED,
            WHOLE.replace("blue star", "red circle"),
            ["two red circles", "a blue star", ASKED],
        ),
        # Of what is no whole scene, or of another world, only what it names is known.
        (ASKED, f"{WHOLE}, in oil", []),
    ],
)
def test_all_that_was_asked_for_is_protected(original: str, rewrite: str, lost: list[str]) -> None:
    found = SketchIntentCheck().problems(Request(prompt=original), rewrite)
    assert found == tuple(f"it does not ask for {missed}" for missed in lost)


@pytest.mark.parametrize(
    ("original", "rewrite", "problems"),
    [
        (f"{ASKED}, in oil", WHOLE, []),
        # What was read of it is held to as a whole.
        (
            f"{ASKED}, in oil",
            WHOLE.replace("red", "pink"),
            [
                "it does not ask for two red circles",
                f"it does not ask for {ASKED}",
                "it names no red",
            ],
        ),
        (
            "a red circle chasing a blue star, and the word SUN",
            "white background; a large red circle at the top; a small blue star at the right",
            ["it does not ask for the word SUN", "it names no SUN"],
        ),
        (
            "two squares, one of them small",
            "white background; a large pink moon at the left; a small pink moon at the right",
            ["it names no square", "nobody asked for a moon"],
        ),
        ("!!!", "white background; a green moon at the left", ["nobody asked for a moon"]),
        ("a cat on a sofa", "white background", []),
        ("a picture of nothing", "a red star", ["nobody asked for a star"]),
        (ASKED, "white background; two red circles", ["it names no blue", "it names no star"]),
        (ASKED, "two glossy red circles, in oil", ["it names no blue", "it names no star"]),
        (ASKED, f"{ASKED} under a full moon", ["nobody asked for a moon"]),
        (
            "a white circle on a black background",
            "white background; a large red circle at the center",
            ["it names no black"],
        ),
        ("the word HELLO and a wild heart", "a red heart", ["it names no HELLO"]),
        # Known words that cannot be read are held to as well.
        (
            "a white circle and a red square",
            WHOLE,
            ["it does not ask for a red square", "it names no square", "nobody asked for a star"],
        ),
    ],
)
def test_what_is_known_of_a_request_in_other_words_is_protected(
    original: str, rewrite: str, problems: list[str]
) -> None:
    found = SketchIntentCheck().problems(Request(prompt=original), rewrite)
    assert found == tuple(problems)


@pytest.mark.parametrize(
    ("original", "rewrite", "problems"),
    [
        (
            "a red star and the word SUN",
            'a red star. The lettering says "SUN", spelled S-U-N.',
            ["the small models cannot read 'S-U-N'"],
        ),
        ("a red star that says S-U-N", "a red star that says S-U-N", []),
        ("a well-known red star", "a well-known red star, x-rayed", []),
        (
            "a red star that says S-U-N",
            "a red star that says S-U-N and C-A-T",
            ["the small models cannot read 'C-A-T'"],
        ),
    ],
)
def test_letters_are_of_no_use_to_the_small_models(
    original: str, rewrite: str, problems: list[str]
) -> None:
    found = SketchIntentCheck().problems(Request(prompt=original), rewrite)
    assert found == tuple(problems)


def test_it_comes_in_by_the_same_door_as_others() -> None:
    check = plugins.create("intent_checks", "sketch", {})
    assert isinstance(check, IntentCheck)
    assert isinstance(check, SketchIntentCheck)
