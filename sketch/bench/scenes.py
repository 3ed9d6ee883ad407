"""Scenes that a request of some difficulty can be made of."""

from __future__ import annotations

from random import Random
from typing import Literal

from rr_refine.sketch.world.scene import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    PLACES,
    SIZES,
    WORD_PLACES,
    WORDS,
    Colour,
    Kind,
    Lettering,
    Scene,
    Shape,
)

__all__ = ["Difficulty", "scene_of"]

Difficulty = Literal["count", "relation", "attribute", "word"]
"""`count`: two to five shapes alike, maybe others. `relation`: two groups that stand somehow to
each other, maybe a third. `attribute`: three or four shapes that all differ. `word`: a word, and
one to three shapes that differ."""


def scene_of(difficulty: Difficulty, index: int, random: Random, *, related: bool) -> Scene:
    """A scene of this difficulty; how much there is to count goes round with `index`.

    With `related` there are at least two groups, so that one can stand in relation to another.
    """
    match difficulty:
        case "count":
            alike = 2 + index // 3 % (3 if related else 4)
            groups = [alike, *[1] * random.randint(int(related), min(2, 5 - alike))]
        case "relation":
            groups = random.choice([[1, 1], [2, 1], [1, 1, 1], [2, 1, 1]])
        case "attribute":
            groups = [1] * random.randint(3, 4)
        case "word":
            groups = [1] * random.randint(1 + int(related), 3)
    return _scene(groups, random, worded=difficulty == "word")


def _scene(groups: list[int], random: Random, *, worded: bool) -> Scene:
    """So many shapes alike in each group, and no two groups of the same kind and colour."""
    looks: list[tuple[Kind, Colour]] = []
    while len(looks) < len(groups):
        look = random.choice(KINDS), random.choice(COLOURS)
        if look not in looks:
            looks.append(look)
    word_place = random.choice(WORD_PLACES) if worded else None
    free = [place for place in PLACES if place != word_place]
    places = iter(random.sample(free, sum(groups)))
    shapes = []
    for count, (kind, colour) in zip(groups, looks, strict=True):
        size = random.choice(SIZES)
        shapes += [
            Shape(kind=kind, colour=colour, size=size, place=next(places)) for _ in range(count)
        ]
    return Scene(
        background=random.choice(BACKGROUNDS),
        shapes=tuple(sorted(shapes, key=lambda shape: PLACES.index(shape.place))),
        lettering=Lettering(word=random.choice(WORDS), place=word_place) if word_place else None,
    )
