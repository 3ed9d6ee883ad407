"""A plan: the whole scene that a better request asks for, close to what is already right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from random import Random
from typing import Final

from rr_refine.sketch.checking import RequestedEdit
from rr_refine.sketch.observation import Observation
from rr_refine.sketch.world.edit import phrase_edit
from rr_refine.sketch.world.request import (
    Group,
    SceneRequest,
    group_phrase,
    relation_phrase,
    sides,
    violations,
)
from rr_refine.sketch.world.scene import (
    PLACES,
    WORD_PLACES,
    Background,
    Lettering,
    Place,
    Scene,
    Shape,
    cell_of,
    in_order,
)

__all__ = ["describe_plan", "plan", "plan_edit"]

_BACKGROUND: Final[Background] = "white"
"""Where none is asked for and none can be told."""
_OUTWARDS: Final[tuple[Place, ...]] = (
    "center", "left", "right", "top", "bottom",
    "top left", "top right", "bottom left", "bottom right",
)  # fmt: skip
"""Few things look best in the middle row."""


def plan(
    request: SceneRequest, observed: Observation, random: Random | None = None
) -> Scene | None:
    """A scene that meets `request` and keeps what is right already.

    Shapes that are right stay where they are, with their size. What is missing goes to a free
    place, large if no size is asked for; so does what stands in a relation that is not met, all
    of it. What is too much or unclear goes. The background stays if it is free.

    Args:
        request: what is asked for.
        observed: what is seen.
        random: chooses among equally good places. Without it they are taken in an order of their
            own: from the middle outwards, and what is to be left of something from the left side.
            One answer to one question is what a small student learns best.

    Returns:
        None if no scene has a shape for everything that is asked for: a request can contradict
        itself (two things in one place; `a red circle and a large red circle`, which asks for one
        red circle and for two).
    """
    asked: dict[Group, int] = {}
    for group in sorted(request.groups, key=lambda group: group.place is None):
        asked[group] = asked.get(group, 0) + group.count
    broken = _misplaced(request, observed)
    options = {
        group: _options(group, request, observed, random, keep=group not in broken)
        for group in asked
    }
    missing = [count - sum(seen for _, seen in options[group]) for group, count in asked.items()]
    for moves in range(sum(max(0, count) for count in missing), request.count + 2):
        for words, moves_left in _letterings(request, observed, moves, random):
            for shapes in _layouts(request, asked, options, words, moves_left):
                scene = Scene(
                    background=request.background or observed.background or _BACKGROUND,
                    shapes=in_order(shapes),
                    lettering=words,
                )
                if not violations(request, scene):
                    return scene
    return None


def describe_plan(request: SceneRequest, target: Scene, observed: Observation) -> str:
    """Where everything that is asked for goes: `two red circles (at the top: large, at the left:
    small), the word SUN (at the bottom)`.

    A small model that writes this first has less to hold in mind when it then says it in full. It
    writes from left to right, so everything comes in the order in which `plan` places it: the word
    before the shapes, and of each group what stays before what goes where there is room. The
    groups keep the order of the request: sorted by what stays, one was often forgotten.

    Args:
        request: what is asked for.
        target: a scene that meets it.
        observed: what is seen, which the scene was planned from.
    """
    broken = _misplaced(request, observed)
    said: list[str] = []
    if target.lettering:
        said.append(f"the word {target.lettering.word} (at the {target.lettering.place})")
    for group in dict.fromkeys(request.groups):
        shapes = [shape for shape in target.shapes if group.admits(shape)]
        kept = [shape for shape in shapes if group not in broken and shape in observed.shapes]
        order = _places(group, request, None)
        new = sorted(
            (shape for shape in shapes if shape not in kept),
            key=lambda shape: order.index(shape.place),
        )
        places = ", ".join(f"at the {shape.place}: {shape.size}" for shape in kept + new)
        said.append(f"{group_phrase(group)} ({places})")
    return ", ".join(said)


def plan_edit(change: RequestedEdit) -> str:
    """The edit in full: its target in every detail, and that the rest stays."""
    return phrase_edit(change.edit, change.source, dense=True)


def _letterings(
    request: SceneRequest, observed: Observation, moves: int, random: Random | None
) -> Iterator[tuple[Lettering | None, int]]:
    """Where the word may stand, and how many moves are left then."""
    if request.word is None:
        yield None, moves
        return
    places = [place for place in WORD_PLACES if request.word_place in (None, place)]
    for place in random.sample(places, len(places)) if random else reversed(places):
        words = Lettering(word=request.word, place=place)
        kept = words == observed.lettering
        if kept or moves:
            yield words, moves - (not kept)


def _layouts(
    request: SceneRequest,
    asked: dict[Group, int],
    options: dict[Group, list[tuple[Shape, bool]]],
    words: Lettering | None,
    moves: int,
) -> Iterator[tuple[Shape, ...]]:
    """Every way to give each group its shapes, with at most `moves` that are not seen."""

    def extend(
        chosen: tuple[Shape, ...], groups: list[Group], left: int
    ) -> Iterator[tuple[Shape, ...]]:
        if not groups:
            yield chosen
            return
        group, *rest = groups
        for picked in combinations(options[group], asked[group]):
            moved = sum(not seen for _, seen in picked)
            longer = (*chosen, *(shape for shape, _ in picked))
            places = {*(shape.place for shape in longer), *([words.place] if words else [])}
            apart = len(places) == len(longer) + (words is not None)
            if moved <= left and apart and _promising(request, asked, longer):
                yield from extend(longer, rest, left - moved)

    return extend((), list(asked), moves)


def _misplaced(request: SceneRequest, observed: Observation) -> set[Group]:
    """The groups of relations that are not met, or that have too many or too few shapes.

    To keep as many of them as any layout could is a puzzle that a small student often gets wrong.
    """
    missed = violations(request, observed)
    broken: set[Group] = set()
    for relation in request.relations:
        groups = {request.groups[relation.first], request.groups[relation.second]}
        phrases = {relation_phrase(request, relation), *map(group_phrase, groups)}
        if not phrases.isdisjoint(missed):
            broken |= groups
    return broken


def _options(
    group: Group, request: SceneRequest, observed: Observation, random: Random | None, *, keep: bool
) -> list[tuple[Shape, bool]]:
    """The shapes that a group may get, and whether they are seen: those that are come first."""
    kept = [shape for shape in observed.shapes if keep and group.admits(shape)]
    look = (group.colour, group.kind)
    sizes = [shape.size for shape in observed.shapes if (shape.colour, shape.kind) == look]
    size = group.size or (sizes[0] if sizes else "large")
    places = [group.place] if group.place else _places(group, request, random)
    new = [Shape(kind=group.kind, colour=group.colour, size=size, place=p) for p in places]
    return [(shape, True) for shape in kept] + [(s, False) for s in new if s not in kept]


def _places(group: Group, request: SceneRequest, random: Random | None) -> list[Place]:
    """Where a shape of `group` may go, the best place first."""
    if random:
        return random.sample(PLACES, len(PLACES))

    def steps(place: Place) -> int:
        """How far it is from the sides where the relations would have it."""
        row, column = cell_of(place)
        away = {"left of": column, "right of": 2 - column, "above": row, "below": 2 - row}
        total = 0
        for relation in request.relations:
            if group == request.groups[relation.first]:
                total += away[relation.direction]
            if group == request.groups[relation.second]:
                total += 2 - away[relation.direction]
        return total

    return sorted(_OUTWARDS, key=steps)


def _promising(request: SceneRequest, asked: dict[Group, int], shapes: Sequence[Shape]) -> bool:
    """Can more shapes make this a scene that meets `request`? False only if they cannot."""
    if any(sum(map(group.admits, shapes)) > count for group, count in asked.items()):
        return False
    for relation in request.relations:
        before, behind = sides(request, relation, shapes)
        if max(before, default=-1) >= min(behind, default=3) or 2 in before or 0 in behind:
            return False
    return True
