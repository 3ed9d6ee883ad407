"""What a critic believes that a picture shows: in values, in words, and back again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rr_refine.sketch.world.request import Group, group_phrase
from rr_refine.sketch.world.scene import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    PLACES,
    SIZES,
    WORDS,
    Background,
    Lettering,
    Place,
    Scene,
    Shape,
)

if TYPE_CHECKING:
    from rr_refine.sketch.oracle.oracle import Reading

__all__ = [
    "Sight",
    "describe_background",
    "describe_lettering",
    "describe_letters",
    "describe_sight",
    "read_sight",
    "sight_of",
]

_UNCLEAR_BACKGROUND: Final = "unclear background"
_UNCLEAR_LETTERS: Final = "unclear letters"
_NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody believes to see: a scene, or something that is none.

    Equal sights are written alike. It need not be true: a teacher errs, and a student guesses.
    """

    background: Background | None
    """None where it cannot be told."""
    shapes: tuple[Shape, ...] = ()
    """In reading order. None, more than five, and several in one place are possible."""
    lettering: Lettering | None = None
    unclear_letters: bool = False
    """Is there writing that is no known word?"""
    doubts: tuple[Place, ...] = ()
    """Where something stands that cannot be made out, in reading order."""


def sight_of(seen: Reading | Scene) -> Sight:
    """What the oracle read in a picture, or all that a scene has."""
    if isinstance(seen, Scene):
        return Sight(seen.background, seen.shapes, seen.lettering)
    # A doubt about the background, or about there being any shape, shows in these themselves.
    places = [re.search(rf"\b(?:{_any(PLACES)})$", doubt) for doubt in seen.doubts]
    unclear = {place[0] for place in places if place}
    return Sight(
        background=seen.background,
        shapes=tuple(sorted(seen.shapes, key=lambda shape: PLACES.index(shape.place))),
        lettering=seen.lettering,
        unclear_letters=seen.letters is not None and seen.lettering is None,
        doubts=tuple(place for place in PLACES if place in unclear),
    )


def describe_sight(sight: Sight) -> str:
    """All of it in a fixed order, in the words of a dense request."""
    things = [(PLACES.index(shape.place), _describe_shape(shape)) for shape in sight.shapes]
    things += [(PLACES.index(place), _describe_doubt(place)) for place in sight.doubts]
    parts = [describe_background(sight)]
    parts += [text for _, text in sorted(things, key=lambda thing: thing[0])]
    if sight.lettering:
        parts.append(describe_lettering(sight.lettering))
    if sight.unclear_letters:
        parts.append(_UNCLEAR_LETTERS)
    return "; ".join(parts if len(parts) > 1 else [*parts, _NOTHING])


def describe_background(sight: Sight) -> str:
    """`white background`."""
    return f"{sight.background} background" if sight.background else _UNCLEAR_BACKGROUND


def describe_letters(sight: Sight) -> str:
    """The word, or that there is writing which is none; empty where nothing is written."""
    if sight.lettering:
        return describe_lettering(sight.lettering)
    return _UNCLEAR_LETTERS if sight.unclear_letters else ""


def _describe_shape(shape: Shape) -> str:
    """`a large red circle at the top left`."""
    return group_phrase(
        Group(count=1, colour=shape.colour, kind=shape.kind, size=shape.size, place=shape.place)
    )


def describe_lettering(lettering: Lettering) -> str:
    """`the word SUN at the top`."""
    return f"the word {lettering.word} at the {lettering.place}"


def _describe_doubt(place: Place) -> str:
    """`something unclear at the top`."""
    return f"something unclear at the {place}"


def read_sight(text: str) -> Sight | None:
    """The sight that `describe_sight` wrote; None for any other text."""
    first, *parts = text.split("; ")
    backgrounds: dict[str, Background | None] = {f"{name} background": name for name in BACKGROUNDS}
    backgrounds[_UNCLEAR_BACKGROUND] = None
    if first not in backgrounds:
        return None
    shapes: list[Shape] = []
    doubts: list[Place] = []
    lettering = None
    unclear_letters = False
    for part in parts:
        if shape := _SHAPE.fullmatch(part):
            shapes.append(Shape.model_validate(shape.groupdict()))
        elif doubt := _DOUBT.fullmatch(part):
            doubts += [place for place in PLACES if place == doubt["place"]]
        elif word := _WORD.fullmatch(part):
            lettering = Lettering.model_validate(word.groupdict())
        elif part == _UNCLEAR_LETTERS:
            unclear_letters = True
        elif part != _NOTHING:
            return None
    return Sight(backgrounds[first], tuple(shapes), lettering, unclear_letters, tuple(doubts))


def _any(words: tuple[str, ...]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_AT: Final = rf" at the (?P<place>{_any(PLACES)})"
_SHAPE: Final = re.compile(
    rf"an? (?P<size>{_any(SIZES)}) (?P<colour>{_any(COLOURS)}) (?P<kind>{_any(KINDS)}){_AT}"
)
_DOUBT: Final = re.compile(rf"something unclear{_AT}")
_WORD: Final = re.compile(rf"the word (?P<word>{_any(WORDS)}){_AT}")
