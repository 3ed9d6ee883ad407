"""Edits of a scene: recolour, remove, add, move, replace a shape, or change the background."""

from __future__ import annotations

import re
from random import Random
from typing import Final, Literal, get_args

from pydantic import model_validator

from rr_refine.sketch.world.request import count_word
from rr_refine.sketch.world.scene import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    MAX_SHAPES,
    PLACES,
    SIZES,
    Background,
    Colour,
    Kind,
    Place,
    Scene,
    Shape,
)
from rr_refine.terms import Record

__all__ = [
    "ACTIONS",
    "KEEP_REST",
    "Action",
    "Edit",
    "apply",
    "phrase_edit",
    "random_edit",
    "read_edit",
]

Action = Literal["recolour", "remove", "add", "move", "replace", "background"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

KEEP_REST: Final = "keep everything else the same"
"""How a dense edit request ends."""


class Edit(Record):
    """One change. Which fields are set depends on the action."""

    action: Action
    target: Shape | None = None
    """The shape of the source that is changed; all but `add` and `background` have one."""
    shape: Shape | None = None
    """`add`: the new shape. Otherwise what becomes of the target; `remove` has none."""
    background: Background | None = None
    """`background`: the new one."""

    @model_validator(mode="after")
    def _complete(self) -> Edit:
        needed = {
            "recolour": (True, True, False),
            "remove": (True, False, False),
            "add": (False, True, False),
            "move": (True, True, False),
            "replace": (True, True, False),
            "background": (False, False, True),
        }[self.action]
        given = (self.target is not None, self.shape is not None, self.background is not None)
        if given != needed:
            raise ValueError(f"{self.action!r} with the fields of another action")
        return self


def apply(edit: Edit, scene: Scene) -> Scene:
    """What `scene` should be after `edit`.

    Raises:
        ValueError: the target is not in the scene, or the result is no scene.
    """
    if edit.background:
        return scene.model_copy(update={"background": edit.background})
    shapes = list(scene.shapes)
    if edit.target:
        shapes.remove(edit.target)
    if edit.shape:
        shapes.append(edit.shape)
    return scene.with_shapes(*shapes)


def random_edit(scene: Scene, random: Random, action: Action | None = None) -> Edit:
    """An edit that can be made to `scene`; of kind `action` where that is possible."""
    free = _free_places(scene)
    possible: set[Action] = {"recolour", "replace", "background", "move"}
    if len(scene.shapes) > 1:
        possible.add("remove")
    if len(scene.shapes) < MAX_SHAPES:
        possible.add("add")
    chosen = action if action and action in possible else random.choice(sorted(possible))
    if chosen == "background":
        others = [name for name in BACKGROUNDS if name != scene.background]
        return Edit(action="background", background=random.choice(others))
    if chosen == "add":
        shape = Shape(
            kind=random.choice(KINDS),
            colour=random.choice(COLOURS),
            size=random.choice(SIZES),
            place=random.choice(free),
        )
        return Edit(action="add", shape=shape)
    target = random.choice(scene.shapes)
    return Edit(action=chosen, target=target, shape=_becomes(target, chosen, free, random))


def phrase_edit(edit: Edit, scene: Scene, *, dense: bool = False, bare: bool = False) -> str:
    """`edit` in words.

    Terse ones name a target by colour and kind, and by its place if it takes that to tell it apart
    in `scene`; dense ones name all of it and say that the rest stays.

    Args:
        edit: what to do.
        scene: what it is done to.
        dense: name all of the target, and say that the rest stays.
        bare: name a target by its kind alone where the scene has one of that kind: `the heart`.
    """
    match edit.action:
        case "background":
            said = f"change the background to {edit.background}"
        case "add":
            assert edit.shape
            said = f"add {_indefinite(edit.shape)} at the {edit.shape.place}"
        case "remove":
            said = f"remove {_definite(edit, scene, dense, bare)}"
        case "recolour":
            assert edit.shape
            said = f"make {_definite(edit, scene, dense, bare)} {edit.shape.colour}"
        case "move":
            assert edit.shape
            said = f"move {_definite(edit, scene, dense, bare)} to the {edit.shape.place}"
        case "replace":
            assert edit.shape
            said = f"replace {_definite(edit, scene, dense, bare)} with {_indefinite(edit.shape)}"
    return f"{said}; {KEEP_REST}" if dense else said


def _any(words: tuple[str, ...]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_TARGET: Final = (
    rf"the (?:(?P<size>{_any(SIZES)}) )?(?:(?P<colour>{_any(COLOURS)}) )?(?P<kind>{_any(KINDS)})"
    rf"(?: (?:at|in|on) the (?P<place>{_any(PLACES)}))?"
)
_NEW: Final = (
    rf"an? (?P<new_size>{_any(SIZES)}) (?P<new_colour>{_any(COLOURS)}) (?P<new_kind>{_any(KINDS)})"
)
_PATTERNS: Final[dict[Action, re.Pattern[str]]] = {
    "recolour": re.compile(rf"make {_TARGET} (?P<new_colour>{_any(COLOURS)})"),
    "remove": re.compile(rf"remove {_TARGET}"),
    "add": re.compile(rf"add {_NEW} (?:at|in|on) the (?P<new_place>{_any(PLACES)})"),
    "move": re.compile(rf"move {_TARGET} to the (?P<new_place>{_any(PLACES)})"),
    "replace": re.compile(rf"replace {_TARGET} with {_NEW}"),
    "background": re.compile(rf"change the background to (?P<background>{_any(BACKGROUNDS)})"),
}


def read_edit(text: str, scene: Scene) -> Edit | None:
    """The edit of `scene` that `text` asks for; None where it is none, or fits no shape, or two.

    What it makes of the scene is a scene: nothing is put where something stands.
    """
    edit = _read(text, scene)
    try:
        if edit:
            apply(edit, scene)
    except ValueError:
        return None
    return edit


def _read(text: str, scene: Scene) -> Edit | None:
    said = re.sub(r"\s+", " ", text).strip().lower().rstrip(" ;,.")
    said = said.removesuffix(KEEP_REST).rstrip(" ;,.")
    for action, pattern in _PATTERNS.items():
        if not (match := pattern.fullmatch(said)):
            continue
        found = {name: value for name, value in match.groupdict().items() if value}
        if action == "background":
            return Edit.model_validate({"action": action, "background": found["background"]})
        new = {name.removeprefix("new_"): v for name, v in found.items() if name[:4] == "new_"}
        if action == "add":
            return Edit.model_validate({"action": action, "shape": new})
        named = {name: value for name, value in found.items() if name[:4] != "new_"}
        fitting = [s for s in scene.shapes if named.items() <= s.model_dump().items()]
        if len(fitting) != 1:
            return None
        if action == "remove":
            return Edit(action=action, target=fitting[0])
        changed = Shape.model_validate({**fitting[0].model_dump(), **new})
        return Edit(action=action, target=fitting[0], shape=changed)
    return None


def _free_places(scene: Scene) -> list[Place]:
    taken = {shape.place for shape in scene.shapes}
    if scene.lettering:
        taken.add(scene.lettering.place)
    return [place for place in PLACES if place not in taken]


def _becomes(target: Shape, action: Action, free: list[Place], random: Random) -> Shape | None:
    if action == "recolour":
        colours: list[Colour] = [name for name in COLOURS if name != target.colour]
        return target.model_copy(update={"colour": random.choice(colours)})
    if action == "move":
        return target.model_copy(update={"place": random.choice(free)})
    if action == "replace":
        kinds: list[Kind] = [name for name in KINDS if name != target.kind]
        look = {"kind": random.choice(kinds), "colour": random.choice(COLOURS)}
        return target.model_copy(update={**look, "size": random.choice(SIZES)})
    return None


def _indefinite(shape: Shape) -> str:
    return f"{count_word(1, shape.size)} {shape.size} {shape.colour} {shape.kind}"


def _definite(edit: Edit, scene: Scene, dense: bool, bare: bool) -> str:
    target = edit.target
    assert target
    if dense:
        return f"the {target.size} {target.colour} {target.kind} at the {target.place}"
    if bare and sum(shape.kind == target.kind for shape in scene.shapes) == 1:
        return f"the {target.kind}"
    look = (target.colour, target.kind)
    alone = sum((shape.colour, shape.kind) == look for shape in scene.shapes) == 1
    return f"the {target.colour} {target.kind}" + ("" if alone else f" at the {target.place}")
