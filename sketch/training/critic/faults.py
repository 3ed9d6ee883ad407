"""Faults of a teacher: how often it errs, and what it then believes to see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Final, Literal, TypeVar, get_args

from pydantic import Field

from rr_refine.sketch.sight import Sight
from rr_refine.sketch.world.scene import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    PLACES,
    SIZES,
    WORDS,
    Colour,
    Kind,
    Shape,
)
from rr_refine.terms import Record

__all__ = ["FAULTS", "Fault", "FaultRates", "invent", "misread"]

T = TypeVar("T")

Fault = Literal["vague", "hallucination", "label ignored", "rationalised", "misread"]
"""What is wrong with an answer of the program teacher.

- `vague`: it says nothing definite.
- `hallucination`: it describes what is not there, and knows the verdict all the same.
- `label ignored`: it argues for the picture that people did not prefer, with made-up reasons.
- `rationalised`: the pictures do not bear the label out; it made up reasons for it.
- `misread`: it looked, and saw something wrong.
"""
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)


class FaultRates(Record):
    """How often the program teacher errs. Assumptions, not measurements: see `teacher`."""

    vague: float = Field(default=0.06, ge=0, le=1)
    """Share of answers."""
    hallucinates: float = Field(default=0.08, ge=0, le=1)
    """Share of answers."""
    ignores_label: float = Field(default=0.06, ge=0, le=1)
    """Share of answers to questions that tell the label."""
    misreads: float = Field(default=0.3, ge=0, le=1)
    """Share of pictures in which something is seen wrong at the first look."""
    second_look: float = Field(default=0.8, ge=0, le=1)
    """How often it looks again, and sees right, when it was told otherwise than it sees."""
    gives_in: float = Field(default=0.5, ge=0, le=1)
    """How often it makes up reasons for a label that it cannot see a reason for."""


def misread(sight: Sight, random: Random) -> Sight:
    """`sight` with one likely slip: a look-alike, a neighbour, something overlooked."""
    if not sight.shapes or random.random() < 0.1:
        return _beside_the_shapes(sight, random)
    index = random.randrange(len(sight.shapes))
    shape = sight.shapes[index]
    slips: list[Shape | None] = [
        shape.model_copy(update={"colour": random.choice(_LIKE[shape.colour])}),
        shape.model_copy(update={"kind": random.choice(_ALIKE[shape.kind])}),
        shape.model_copy(update={"size": _other(SIZES, shape.size, random)}),
        None,
    ]
    if near := _free_neighbours(sight, shape):
        slips.append(shape.model_copy(update={"place": random.choice(near)}))
    return _with(sight, index, random.choice(slips))


def invent(sight: Sight, random: Random) -> Sight:
    """`sight` with a shape that is not there, or a shape of quite another colour and kind."""
    taken = {shape.place for shape in sight.shapes} | {*sight.doubts}
    if sight.lettering:
        taken.add(sight.lettering.place)
    free = [place for place in PLACES if place not in taken]
    if sight.shapes and (not free or random.random() < 0.5):
        index = random.randrange(len(sight.shapes))
        shape = sight.shapes[index]
        look = {
            "colour": _other(COLOURS, shape.colour, random),
            "kind": _other(KINDS, shape.kind, random),
        }
        return _with(sight, index, shape.model_copy(update=look))
    more = Shape(
        kind=random.choice(KINDS),
        colour=random.choice(COLOURS),
        size=random.choice(SIZES),
        place=random.choice(free or PLACES),
    )
    return replace(sight, shapes=_ordered((*sight.shapes, more)))


_LIKE: Final[dict[Colour, tuple[Colour, ...]]] = {
    "red": ("orange", "pink"),
    "orange": ("red", "yellow"),
    "yellow": ("orange",),
    "green": ("cyan",),
    "cyan": ("green", "blue"),
    "blue": ("cyan", "purple"),
    "purple": ("blue", "pink"),
    "pink": ("red", "purple"),
}
_ALIKE: Final[dict[Kind, tuple[Kind, ...]]] = {
    "circle": ("ring", "heart"),
    "square": ("triangle",),
    "triangle": ("square", "heart"),
    "star": ("cross",),
    "cross": ("star",),
    "ring": ("circle", "moon"),
    "heart": ("circle", "triangle"),
    "moon": ("ring", "circle"),
}


def _beside_the_shapes(sight: Sight, random: Random) -> Sight:
    """Another word, or another background."""
    if sight.lettering and random.random() < 0.5:
        word = _other(WORDS, sight.lettering.word, random)
        return replace(sight, lettering=sight.lettering.model_copy(update={"word": word}))
    return replace(sight, background=_other(BACKGROUNDS, sight.background, random))


def _free_neighbours(sight: Sight, shape: Shape) -> list[str]:
    taken = {other.place for other in sight.shapes}
    row, column = divmod(PLACES.index(shape.place), 3)
    cells = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    near = [PLACES[3 * r + c] for r, c in cells if 0 <= r < 3 and 0 <= c < 3]
    return [place for place in near if place not in taken]


def _with(sight: Sight, index: int, shape: Shape | None) -> Sight:
    """`sight` with another shape, or none, for one of its shapes."""
    rest = (*sight.shapes[:index], *sight.shapes[index + 1 :])
    return replace(sight, shapes=_ordered((*rest, shape) if shape else rest))


def _ordered(shapes: Iterable[Shape]) -> tuple[Shape, ...]:
    return tuple(sorted(shapes, key=lambda shape: PLACES.index(shape.place)))


def _other(values: Iterable[T], value: T | None, random: Random) -> T:
    return random.choice([other for other in values if other != value])
