"""Faults of a teacher: how often it errs, and what it then believes to see."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Final, Literal, get_args

from pydantic import Field

from rr_refine.sketch.observation import Observation
from rr_refine.sketch.world.sampling import another, random_shape
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
    cell_of,
    in_order,
)
from rr_refine.terms import Given

__all__ = ["FAULTS", "Fault", "FaultRates", "invent", "misread"]

Fault = Literal["vague", "hallucination", "label ignored", "rationalised", "misread"]
"""What is wrong with an answer of the program teacher.

- `vague`: it says nothing definite.
- `hallucination`: it describes what is not there, and knows the verdict all the same.
- `label ignored`: it argues for the picture that people did not prefer, with made-up reasons.
- `rationalised`: the pictures do not bear the label out; it made up reasons for it.
- `misread`: it looked, and saw something wrong.
"""
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)


class FaultRates(Given):
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


def misread(observed: Observation, random: Random) -> Observation:
    """`observed` with one likely slip: a look-alike, a neighbour, something overlooked."""
    if not observed.shapes or random.random() < 0.1:
        return _beside_the_shapes(observed, random)
    index = random.randrange(len(observed.shapes))
    shape = observed.shapes[index]
    slips: list[Shape | None] = [
        shape.model_copy(update={"colour": random.choice(_LIKE[shape.colour])}),
        shape.model_copy(update={"kind": random.choice(_ALIKE[shape.kind])}),
        shape.model_copy(update={"size": another(SIZES, shape.size, random)}),
        None,
    ]
    taken = {other.place for other in observed.shapes}
    row, column = cell_of(shape.place)
    cells = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    near = [PLACES[3 * r + c] for r, c in cells if 0 <= r < 3 and 0 <= c < 3]
    if near := [place for place in near if place not in taken]:
        slips.append(shape.model_copy(update={"place": random.choice(near)}))
    return _with(observed, index, random.choice(slips))


def invent(observed: Observation, random: Random) -> Observation:
    """`observed` with a shape that is not there, or a shape of quite another colour and kind."""
    taken = {shape.place for shape in observed.shapes} | {*observed.doubts}
    if observed.lettering:
        taken.add(observed.lettering.place)
    free = [place for place in PLACES if place not in taken]
    if observed.shapes and (not free or random.random() < 0.5):
        index = random.randrange(len(observed.shapes))
        shape = observed.shapes[index]
        look = {
            "colour": another(COLOURS, shape.colour, random),
            "kind": another(KINDS, shape.kind, random),
        }
        return _with(observed, index, shape.model_copy(update=look))
    more = random_shape(random).model_copy(update={"place": random.choice(free or PLACES)})
    return replace(observed, shapes=in_order((*observed.shapes, more)))


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


def _beside_the_shapes(observed: Observation, random: Random) -> Observation:
    """Another word, or another background."""
    if observed.lettering and random.random() < 0.5:
        word = another(WORDS, observed.lettering.word, random)
        return replace(observed, lettering=observed.lettering.model_copy(update={"word": word}))
    return replace(observed, background=another(BACKGROUNDS, observed.background, random))


def _with(observed: Observation, index: int, shape: Shape | None) -> Observation:
    """`observed` with another shape, or none, for one of its shapes."""
    rest = (*observed.shapes[:index], *observed.shapes[index + 1 :])
    return replace(observed, shapes=in_order((*rest, shape) if shape else rest))
