"""A scene of the sketch world: a background, up to five shapes on a 3 x 3 grid, maybe a word."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, Self, get_args

from pydantic import Field, model_validator

from rr_refine.terms import Record

__all__ = [
    "BACKGROUNDS",
    "COLOURS",
    "KINDS",
    "MAX_LETTERS",
    "MAX_SHAPES",
    "PLACES",
    "SIZES",
    "WORDS",
    "WORD_PLACES",
    "Background",
    "Colour",
    "Kind",
    "Lettering",
    "Place",
    "Scene",
    "Shape",
    "Size",
    "Word",
    "cell_of",
    "in_order",
    "plural",
]

Kind = Literal["circle", "square", "triangle", "star", "cross", "ring", "heart", "moon"]
Colour = Literal["red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"]
Size = Literal["small", "large"]
Background = Literal["white", "black", "gray", "beige"]
Place = Literal[
    "top left", "top", "top right",
    "left", "center", "right",
    "bottom left", "bottom", "bottom right",
]  # fmt: skip
"""A cell of the 3 x 3 grid. `PLACES` has them in reading order: row = index // 3."""
Word = Literal[
    "SUN", "CAT", "DOG", "HI", "OK", "GO", "YES", "NO",
    "STOP", "LOVE", "HOT", "ICE", "RUN", "FUN", "SKY", "SEA",
]  # fmt: skip
"""What the small generator has learnt to write."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
COLOURS: Final[tuple[Colour, ...]] = get_args(Colour)
SIZES: Final[tuple[Size, ...]] = get_args(Size)
BACKGROUNDS: Final[tuple[Background, ...]] = get_args(Background)
PLACES: Final[tuple[Place, ...]] = get_args(Place)
WORDS: Final[tuple[Word, ...]] = get_args(Word)
MAX_LETTERS: Final = max(map(len, WORDS))
WORD_PLACES: Final[tuple[Place, ...]] = ("top", "center", "bottom")
"""Where a word can stand: elsewhere it would leave the picture or touch a neighbour."""
MAX_SHAPES: Final = 5


class Shape(Record):
    """One coloured shape, in the middle of its place."""

    kind: Kind
    colour: Colour
    size: Size
    place: Place

    @property
    def look(self) -> str:
        """`large red circle`."""
        return f"{self.size} {self.colour} {self.kind}"


class Lettering(Record):
    """A word in capitals; dark on light backgrounds, light on the black one."""

    word: Word
    place: Place


class Scene(Record):
    """What a picture shows. Shapes stand in reading order, each alone in its place."""

    background: Background
    shapes: tuple[Shape, ...] = Field(min_length=1, max_length=MAX_SHAPES)
    lettering: Lettering | None = None

    @model_validator(mode="after")
    def _one_thing_in_each_place(self) -> Self:
        if self.shapes != in_order(self.shapes):
            raise ValueError("shapes must stand in reading order")
        taken = [shape.place for shape in self.shapes]
        if self.lettering:
            if self.lettering.place not in WORD_PLACES:
                raise ValueError(f"a word stands at one of {', '.join(WORD_PLACES)}")
            taken.append(self.lettering.place)
        if len(set(taken)) != len(taken):
            raise ValueError("two things in one place")
        return self

    def at(self, place: Place) -> Shape | None:
        """The shape at `place`, if there is one."""
        return next((shape for shape in self.shapes if shape.place == place), None)

    def free_places(self) -> list[Place]:
        """Where nothing stands, in reading order."""
        taken = {shape.place for shape in self.shapes}
        taken |= {self.lettering.place} if self.lettering else set()
        return [place for place in PLACES if place not in taken]

    def with_shapes(self, *shapes: Shape) -> Scene:
        """The scene with other shapes, put in reading order.

        Raises:
            pydantic.ValidationError: none or too many of them, or two things in one place.
        """
        return Scene(background=self.background, shapes=in_order(shapes), lettering=self.lettering)


def cell_of(place: Place) -> tuple[int, int]:
    """Row and column."""
    return divmod(PLACES.index(place), 3)


def in_order(shapes: Iterable[Shape]) -> tuple[Shape, ...]:
    """`shapes` in reading order."""
    return tuple(sorted(shapes, key=lambda shape: PLACES.index(shape.place)))


def plural(kind: Kind) -> str:
    """`circles`, `crosses`."""
    return f"{kind}es" if kind == "cross" else f"{kind}s"
