"""What a critic believes that a picture shows: in values, in words, and back again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rr_refine.sketch.world.request import any_of
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
    in_order,
)

if TYPE_CHECKING:  # the planner uses this module, and must not reach the oracle
    from rr_refine.sketch.oracle.reading import SceneReading

__all__ = [
    "Observation",
    "describe_background",
    "describe_letters",
    "describe_observation",
    "observation_of",
    "read_observation",
]

_UNCLEAR_BACKGROUND: Final = "unclear background"
_UNCLEAR_LETTERS: Final = "unclear letters"
_NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Observation:
    """What a critic believes that a picture shows: a scene, or something that is none.

    It need not be true: a teacher errs, and a student guesses. Equal ones are written alike.
    """

    background: Background | None
    """None where it cannot be told."""
    shapes: tuple[Shape, ...] = ()
    """In reading order. None, more than five, and several in one place are possible."""
    lettering: Lettering | None = None
    unclear_letters: bool = False
    """Is there writing that is no known word?"""
    doubts: tuple[Place, ...] = ()
    """Where something unclear stands, in reading order."""


def observation_of(seen: SceneReading | Scene) -> Observation:
    """What the oracle read in a picture, or all that a scene has."""
    if isinstance(seen, Scene):
        return Observation(seen.background, seen.shapes, seen.lettering)
    # A doubt about the background, or about there being any shape, shows in these themselves.
    places = [re.search(rf"\b(?:{any_of(PLACES)})$", doubt) for doubt in seen.doubts]
    unclear = {place[0] for place in places if place}
    return Observation(
        background=seen.background,
        shapes=in_order(seen.shapes),
        lettering=seen.lettering,
        unclear_letters=seen.letters is not None and seen.lettering is None,
        doubts=tuple(place for place in PLACES if place in unclear),
    )


def describe_observation(observed: Observation) -> str:
    """All of it in a fixed order, in the words of a dense request."""
    things = [(shape.place, f"a {shape.look}") for shape in observed.shapes]
    things += [(place, "something unclear") for place in observed.doubts]
    things.sort(key=lambda thing: PLACES.index(thing[0]))
    parts = [describe_background(observed), *(f"{what} at the {place}" for place, what in things)]
    if observed.lettering:
        parts.append(_describe_lettering(observed.lettering))
    if observed.unclear_letters:
        parts.append(_UNCLEAR_LETTERS)
    return "; ".join(parts if len(parts) > 1 else [*parts, _NOTHING])


def describe_background(observed: Observation) -> str:
    """`white background`."""
    return f"{observed.background} background" if observed.background else _UNCLEAR_BACKGROUND


def describe_letters(observed: Observation) -> str:
    """The word, or that there is writing which is none; empty where nothing is written."""
    if observed.lettering:
        return _describe_lettering(observed.lettering)
    return _UNCLEAR_LETTERS if observed.unclear_letters else ""


def _describe_lettering(lettering: Lettering) -> str:
    """`the word SUN at the top`."""
    return f"the word {lettering.word} at the {lettering.place}"


def read_observation(text: str) -> Observation | None:
    """The observation that `describe_observation` wrote; None for any other text."""
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
    return Observation(backgrounds[first], tuple(shapes), lettering, unclear_letters, tuple(doubts))


_AT: Final = rf" at the (?P<place>{any_of(PLACES)})"
_SHAPE: Final = re.compile(
    rf"an? (?P<size>{any_of(SIZES)}) (?P<colour>{any_of(COLOURS)}) (?P<kind>{any_of(KINDS)}){_AT}"
)
_DOUBT: Final = re.compile(rf"something unclear{_AT}")
_WORD: Final = re.compile(rf"the word (?P<word>{any_of(WORDS)}){_AT}")
