"""Scenes for the tests of the sketch world."""

from __future__ import annotations

from random import Random

from hypothesis import settings
from hypothesis import strategies as st

from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import Background, Lettering, Place, Scene, Shape, Word

# The same examples on every machine and in every run.
fixed = settings(derandomize=True, deadline=None, database=None)


def shape(words: str) -> Shape:
    """`small red circle at top left` -> a shape."""
    look, place = words.split(" at ")
    size, colour, kind = look.split()
    return Shape.model_validate({"size": size, "colour": colour, "kind": kind, "place": place})


def scene(
    *shapes: str,
    on: Background = "white",
    word: Word | None = None,
    at: Place = "center",
) -> Scene:
    """A scene of shapes in words, in reading order."""
    return Scene(
        background=on,
        shapes=tuple(map(shape, shapes)),
        lettering=Lettering(word=word, place=at) if word else None,
    )


def scenes(*, worded: bool | None = None) -> st.SearchStrategy[Scene]:
    """Random scenes, as the models are trained on."""
    return st.integers(0, 2**32).map(lambda seed: random_scene(Random(seed), worded=worded))
