"""Random scenes, so that every value of every attribute, and repeated shapes, are common."""

from __future__ import annotations

from random import Random
from typing import Final

from rr_refine.sketch.world.scene import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    MAX_SHAPES,
    PLACES,
    SIZES,
    WORD_PLACES,
    WORDS,
    Lettering,
    Scene,
    Shape,
)

__all__ = ["random_scene"]

_REPEATED: Final = 0.4
"""For counts."""
_WORDED: Final = 0.2
"""How often a scene has a word."""


def random_scene(
    random: Random,
    *,
    shapes: int | None = None,
    worded: bool | None = None,
    repeated: float = _REPEATED,
) -> Scene:
    """A scene with `shapes` shapes (1 to 5, at random by default), with a word or without.

    Args:
        random: chooses everything.
        shapes: how many.
        worded: with a word or without; at random by default.
        repeated: how often a further shape has the kind, colour and size of an earlier one.
    """
    count = shapes or random.randint(1, MAX_SHAPES)
    if worded is None:
        worded = random.random() < _WORDED
    word_place = random.choice(WORD_PLACES) if worded else None
    places = random.sample([place for place in PLACES if place != word_place], count)
    looks: list[tuple[str, str, str]] = []
    for _ in range(count):
        if looks and random.random() < repeated:
            looks.append(random.choice(looks))
        else:
            looks.append((random.choice(KINDS), random.choice(COLOURS), random.choice(SIZES)))
    made = [
        Shape.model_validate({"kind": kind, "colour": colour, "size": size, "place": place})
        for (kind, colour, size), place in zip(looks, places, strict=True)
    ]
    made.sort(key=lambda shape: PLACES.index(shape.place))
    return Scene(
        background=random.choice(BACKGROUNDS),
        shapes=tuple(made),
        lettering=Lettering(word=random.choice(WORDS), place=word_place) if word_place else None,
    )
