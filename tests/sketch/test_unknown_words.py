"""Words that mean nothing in the small world, though they may be drawn as lettering."""

from __future__ import annotations

import pytest

from rr_refine.sketch.world.phrasing import unknown_words


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("no red circle", ("no",)),
        ("a cat on a sofa", ("cat", "sofa")),
        ("a red circle in love with the sun", ("love", "sun")),
        ("stop, a blue star", ("stop",)),
        ("!!!???", ("!!!???",)),
        ("a red circle and the word NO", ()),
        ("a red circle and the word cat", ()),
        ("a red circle above a blue star", ()),
    ],
)
def test_lettering_means_nothing_elsewhere(prompt: str, words: tuple[str, ...]) -> None:
    assert unknown_words(prompt) == words
