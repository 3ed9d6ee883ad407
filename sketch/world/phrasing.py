"""Requests in words, in four registers: terse, relational, casual and dense."""

from __future__ import annotations

from random import Random
from typing import Final, Literal, get_args

from rr_refine.sketch.world.request import (
    Direction,
    Group,
    Relation,
    Request,
    group_phrase,
    relation_phrase,
    violations,
)
from rr_refine.sketch.world.scene import Scene

__all__ = [
    "REGISTERS",
    "Register",
    "dense",
    "describe",
    "phrase",
    "random_register",
    "request_for",
]

Register = Literal["terse", "relational", "casual", "dense"]
"""`two red circles and a blue star` · `two red circles left of a blue star` · `please draw two red
circles and a blue star for me` · `white background; a large red circle at the top left; …`"""

REGISTERS: Final[tuple[Register, ...]] = get_args(Register)

_CASUAL: Final = (
    "please draw {} for me",
    "i would like to see {}",
    "can you make a picture with {}?",
    "hey, just {} please",
    "a nice little picture of {}",
)
_OPPOSITE: Final[dict[Direction, Direction]] = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
}


def random_register(random: Random) -> Register:
    """A register to practise in: mostly `relational`, which is the hardest to meet.

    Many scenes have no relation to tell of, so that about a third of the requests do.
    """
    return "relational" if random.random() < 0.5 else random.choice(REGISTERS)


def request_for(scene: Scene, register: Register, random: Random) -> Request:
    """A request in `register` that `scene` meets.

    Dense ones name everything. The others leave sizes and places open; a relational one says how
    two groups stand to each other where they do, and about every third names the background.
    """
    if register == "dense":
        return dense(scene)
    counts: dict[tuple[str, str], int] = {}
    for shape in scene.shapes:
        look = (shape.colour, shape.kind)
        counts[look] = counts.get(look, 0) + 1
    looks = list(counts)
    random.shuffle(looks)
    groups = tuple(
        Group.model_validate({"count": counts[look], "colour": look[0], "kind": look[1]})
        for look in looks
    )
    request = Request(
        groups=groups,
        background=scene.background if random.random() < 0.3 else None,
        word=scene.lettering.word if scene.lettering else None,
    )
    if register != "relational" or len(groups) < 2:
        return request
    possible = [
        related
        for direction in random.sample(list(_OPPOSITE), len(_OPPOSITE))
        if not violations(
            related := request.model_copy(
                update={"relations": (Relation(first=0, direction=direction, second=1),)}
            ),
            scene,
        )
    ]
    return possible[0] if possible else request


def dense(scene: Scene) -> Request:
    """The request that names every property of `scene`."""
    return Request(
        groups=tuple(
            Group(count=1, colour=s.colour, kind=s.kind, size=s.size, place=s.place)
            for s in scene.shapes
        ),
        background=scene.background,
        word=scene.lettering.word if scene.lettering else None,
        word_place=scene.lettering.place if scene.lettering else None,
    )


def describe(scene: Scene) -> str:
    """`scene` in the dense register: `white background; a large red circle at the top left; …`."""
    return phrase(dense(scene), "dense")


def phrase(request: Request, register: Register, random: Random | None = None) -> str:
    """`request` in words; `random` chooses among ways of saying it casually."""
    if register == "dense":
        return "; ".join(
            [
                *([f"{request.background} background"] if request.background else []),
                *map(group_phrase, request.groups),
                *([_word(request)] if request.word else []),
                *_totals(request),
            ]
        )
    related = {relation.first for relation in request.relations}
    related |= {relation.second for relation in request.relations}
    things = [relation_phrase(request, relation) for relation in request.relations]
    things += [group_phrase(g) for i, g in enumerate(request.groups) if i not in related]
    things += [_word(request)] if request.word else []
    listed = _list(things) + (
        f" on a {request.background} background" if request.background else ""
    )
    if register != "casual":
        return listed
    frame = random.choice(_CASUAL) if random else _CASUAL[0]
    return frame.format(listed)


def _totals(request: Request) -> list[str]:
    """`two red circles in all`, where several clauses name like shapes: a rewrite keeps counts."""
    looks = [(group.colour, group.kind) for group in request.groups]
    totals = []
    for colour, kind in dict.fromkeys(looks):
        alike = [g.count for g in request.groups if (g.colour, g.kind) == (colour, kind)]
        if len(alike) > 1:
            totals.append(
                f"{group_phrase(Group(count=sum(alike), colour=colour, kind=kind))} in all"
            )
    return totals


def _word(request: Request) -> str:
    return f"the word {request.word}" + (
        f" at the {request.word_place}" if request.word_place else ""
    )


def _list(things: list[str]) -> str:
    return ", ".join(things[:-1]) + f" and {things[-1]}" if len(things) > 1 else things[0]
