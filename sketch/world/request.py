"""What a request asks of a picture, as typed values, and which of it a scene does not meet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from rr_refine.sketch.world.scene import (
    MAX_SHAPES,
    Background,
    Colour,
    Kind,
    Place,
    Scene,
    Shape,
    Size,
    Word,
    cell_of,
    plural,
)
from rr_refine.terms import Record

if TYPE_CHECKING:
    from rr_refine.sketch.observation import Observation

__all__ = [
    "COUNTS",
    "DIRECTIONS",
    "NOTHING_ELSE",
    "Direction",
    "Group",
    "Relation",
    "SceneRequest",
    "any_of",
    "background_phrase",
    "count_word",
    "group_phrase",
    "relation_phrase",
    "requirements",
    "sides",
    "violations",
    "word_phrase",
]

Direction = Literal["left of", "right of", "above", "below"]
DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)

NOTHING_ELSE: Final = "nothing else"
"""The requirement that every request has without saying so."""

COUNTS: Final = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""How many, in words: a picture has nine places."""


class Group(Record):
    """Shapes that are asked for together: `two small red circles`."""

    count: int = Field(ge=1, le=MAX_SHAPES)
    colour: Colour
    kind: Kind
    size: Size | None = None
    place: Place | None = None
    """Only for a single shape."""

    @model_validator(mode="after")
    def _one_shape_for_one_place(self) -> Self:
        if self.place is not None and self.count != 1:
            raise ValueError("several shapes cannot stand in one place")
        return self

    def admits(self, shape: Shape) -> bool:
        """Is `shape` one of what this group asks for?"""
        return (
            shape.kind == self.kind
            and shape.colour == self.colour
            and self.size in (None, shape.size)
            and self.place in (None, shape.place)
        )


class Relation(Record):
    """Every shape of one group stands `left of` (`above`, …) every shape of another."""

    first: int
    """Index of a group."""
    direction: Direction
    second: int


class SceneRequest(Record):
    """All that a request asks for. Beside it, nothing else may be in the picture."""

    groups: tuple[Group, ...] = Field(min_length=1, max_length=MAX_SHAPES)
    relations: tuple[Relation, ...] = ()
    background: Background | None = None
    word: Word | None = None
    word_place: Place | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(group.count for group in self.groups) > MAX_SHAPES:
            raise ValueError(f"more than {MAX_SHAPES} shapes")
        for relation in self.relations:
            if not {relation.first, relation.second} <= set(range(len(self.groups))):
                raise ValueError("a relation between groups that are not there")
        if self.word_place and not self.word:
            raise ValueError("a place for no word")
        return self

    @property
    def count(self) -> int:
        """How many shapes are asked for."""
        return sum(group.count for group in self.groups)


def requirements(request: SceneRequest) -> tuple[str, ...]:
    """Everything that can be met or missed, each as a canonical phrase."""
    return (
        *dict.fromkeys(group_phrase(group) for group in request.groups),
        *(relation_phrase(request, relation) for relation in request.relations),
        *([background_phrase(request.background)] if request.background else []),
        *([word_phrase(request)] if request.word else []),
        NOTHING_ELSE,
    )


def violations(request: SceneRequest, scene: Scene | Observation) -> tuple[str, ...]:
    """Those of `requirements(request)` that `scene` does not meet, in their order."""
    missed = []
    for group in request.groups:
        asked = sum(other.count for other in request.groups if other == group)
        if sum(map(group.admits, scene.shapes)) != asked:
            missed.append(group_phrase(group))
    missed += [
        relation_phrase(request, relation)
        for relation in request.relations
        if not _holds(request, relation, scene)
    ]
    if request.background and request.background != scene.background:
        missed.append(background_phrase(request.background))
    written = scene.lettering
    if request.word and not (
        written and written.word == request.word and request.word_place in (None, written.place)
    ):
        missed.append(word_phrase(request))
    if _has_more(request, scene):
        missed.append(NOTHING_ELSE)
    return tuple(dict.fromkeys(missed))


def any_of(words: Iterable[str]) -> str:
    """A regular expression for any of `words`, the longest first."""
    return "|".join(sorted(words, key=len, reverse=True))


def group_phrase(group: Group) -> str:
    """`a red circle`, `two small red circles`, `a large blue star at the top left`."""
    parts = [count_word(group.count, group.size or group.colour)]
    parts += [group.size] if group.size else []
    parts += [group.colour, plural(group.kind) if group.count > 1 else group.kind]
    return " ".join(parts) + (f" at the {group.place}" if group.place else "")


def count_word(count: int, following: str) -> str:
    """`a`, `an`, `two`, … as the next word wants it."""
    if count > 1:
        return COUNTS[count]
    return "an" if following[0] in "aeiou" else "a"


def relation_phrase(request: SceneRequest, relation: Relation) -> str:
    """`a red circle left of two blue stars`."""
    first, second = request.groups[relation.first], request.groups[relation.second]
    return f"{group_phrase(first)} {relation.direction} {group_phrase(second)}"


def background_phrase(background: Background) -> str:
    """`a white background`."""
    return f"a {background} background"


def word_phrase(request: SceneRequest) -> str:
    """`the word SUN`, `the word SUN at the top`."""
    return f"the word {request.word}" + (
        f" at the {request.word_place}" if request.word_place else ""
    )


def _holds(request: SceneRequest, relation: Relation, scene: Scene | Observation) -> bool:
    before, behind = sides(request, relation, scene.shapes)
    return bool(before and behind) and max(before) < min(behind)


def sides(
    request: SceneRequest, relation: Relation, shapes: Iterable[Shape]
) -> tuple[list[int], list[int]]:
    """The columns (or rows) of `shapes` that should come first by a relation, and of the others."""
    sideways = relation.direction in ("left of", "right of")
    groups = (request.groups[index] for index in (relation.first, relation.second))
    first, second = (
        [cell_of(shape.place)[sideways] for shape in shapes if group.admits(shape)]
        for group in groups
    )
    return (second, first) if relation.direction in ("right of", "below") else (first, second)


def _has_more(request: SceneRequest, scene: Scene | Observation) -> bool:
    looks = {(group.colour, group.kind) for group in request.groups}
    return (
        len(scene.shapes) > request.count
        or any((shape.colour, shape.kind) not in looks for shape in scene.shapes)
        or (scene.lettering is not None and request.word is None)
    )
