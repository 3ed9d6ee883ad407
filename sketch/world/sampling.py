"""Random scenes, in which every value and repeated shapes are common; and misspelt words."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from string import ascii_uppercase
from typing import Final, TypeVar

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
    Place,
    Scene,
    Shape,
    in_order,
)

__all__ = ["another", "misspelt", "random_scene", "random_shape"]

T = TypeVar("T")

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
    looks: list[Shape] = []
    for _ in range(count):
        if looks and random.random() < repeated:
            looks.append(random.choice(looks))
        else:
            looks.append(random_shape(random))
    shapes_placed = (
        look.model_copy(update={"place": place}) for look, place in zip(looks, places, strict=True)
    )
    return Scene(
        background=random.choice(BACKGROUNDS),
        shapes=in_order(shapes_placed),
        lettering=Lettering(word=random.choice(WORDS), place=word_place) if word_place else None,
    )


_ONE_LETTER: Final = 0.75
"""How often one letter is wrong and not two: `IOE` for `ICE` is what the small generator writes
most, and what its critic overlooked."""
_ALIKE: Final = {
    "A": "HR", "B": "EDP", "C": "OG", "D": "OB", "E": "FB", "F": "PE", "G": "CO", "H": "NA",
    "I": "LT", "K": "XR", "L": "IE", "M": "NW", "N": "HM", "O": "CDQ", "P": "FRD", "R": "PK",
    "S": "BZ", "T": "IY", "U": "OV", "V": "UY", "W": "MV", "Y": "VTF",
}  # fmt: skip
"""Letters that a few strokes make of others."""
_LIKELY: Final = 0.7
"""How often a wrong letter is one of these."""


def random_shape(random: Random, place: Place = "center") -> Shape:
    """Any shape at `place`."""
    return Shape(
        kind=random.choice(KINDS),
        colour=random.choice(COLOURS),
        size=random.choice(SIZES),
        place=place,
    )


def another(values: Iterable[T], value: T | None, random: Random) -> T:
    """One of `values` that is not `value`."""
    return random.choice([other for other in values if other != value])


def misspelt(word: str, random: Random) -> str:
    """`word` with one or two wrong letters, and none that the world knows."""
    letters = list(word)
    while "".join(letters) in WORDS:
        wrong = 1 if random.random() < _ONE_LETTER else 2
        for index in random.sample(range(len(word)), wrong):
            alike = _ALIKE.get(word[index], ascii_uppercase)
            letters[index] = random.choice(alike if random.random() < _LIKELY else ascii_uppercase)
    return "".join(letters)
