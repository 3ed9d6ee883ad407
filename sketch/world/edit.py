"""Edits of a scene: recolour, remove, add, move, replace a shape, or change the background."""

from __future__ import annotations

import re
from random import Random
from typing import Final, Literal, get_args

from pydantic import model_validator

from rr_refine.sketch.world.request import any_of
from rr_refine.sketch.world.sampling import another, random_shape
from rr_refine.sketch.world.scene import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    MAX_SHAPES,
    PLACES,
    SIZES,
    Background,
    Scene,
    Shape,
)
from rr_refine.terms import Record

__all__ = [
    "ACTIONS",
    "KEEP_REST",
    "Action",
    "SceneEdit",
    "apply",
    "edit_parts",
    "phrase_edit",
    "random_edit",
    "read_edit",
]

Action = Literal["recolour", "remove", "add", "move", "replace", "background"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

KEEP_REST: Final = "keep everything else the same"
"""How a dense edit request ends."""


class SceneEdit(Record):
    """One change. Which fields are set depends on the action."""

    action: Action
    target: Shape | None = None
    """The shape of the source that is changed; all but `add` and `background` have one."""
    shape: Shape | None = None
    """`add`: the new shape. Otherwise what becomes of the target; `remove` has none."""
    background: Background | None = None
    """`background`: the new one."""

    @model_validator(mode="after")
    def _complete(self) -> SceneEdit:
        others = {"remove": {"target"}, "add": {"shape"}, "background": {"background"}}
        needed = others.get(self.action, {"target", "shape"})
        if {name for name, value in self if name != "action" and value is not None} != needed:
            raise ValueError(f"{self.action!r} with the fields of another action")
        return self


def apply(edit: SceneEdit, scene: Scene) -> Scene:
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


def random_edit(scene: Scene, random: Random, action: Action | None = None) -> SceneEdit:
    """An edit that can be made to `scene`; of kind `action` where that is possible."""
    free = scene.free_places()
    possible: set[Action] = {"recolour", "replace", "background", "move"}
    if len(scene.shapes) > 1:
        possible.add("remove")
    if len(scene.shapes) < MAX_SHAPES:
        possible.add("add")
    chosen = action if action and action in possible else random.choice(sorted(possible))
    if chosen == "background":
        background = another(BACKGROUNDS, scene.background, random)
        return SceneEdit(action="background", background=background)
    if chosen == "add":
        shape = random_shape(random).model_copy(update={"place": random.choice(free)})
        return SceneEdit(action="add", shape=shape)
    target = random.choice(scene.shapes)
    changes: dict[str, str] = {}
    if chosen == "recolour":
        changes = {"colour": another(COLOURS, target.colour, random)}
    elif chosen == "move":
        changes = {"place": random.choice(free)}
    elif chosen == "replace":
        changes = {
            "kind": another(KINDS, target.kind, random),
            "colour": random.choice(COLOURS),
            "size": random.choice(SIZES),
        }
    becomes = target.model_copy(update=changes) if changes else None
    return SceneEdit(action=chosen, target=target, shape=becomes)


def phrase_edit(edit: SceneEdit, scene: Scene, *, dense: bool = False, bare: bool = False) -> str:
    """`edit` in words.

    Terse ones name a target by colour and kind, and by its place if it takes that to tell it apart
    in `scene`; dense ones name all of it and say that the rest stays.

    Args:
        edit: what to do.
        scene: what it is done to.
        dense: name all of the target, and say that the rest stays.
        bare: name a target by its kind alone where the scene has one of that kind: `the heart`.
    """
    the_target = _definite(edit.target, scene, dense, bare) if edit.target else ""
    said = _PHRASES[edit.action].format(
        the_target=the_target, shape=edit.shape, background=edit.background
    )
    return f"{said}; {KEEP_REST}" if dense else said


_PHRASES: Final[dict[Action, str]] = {
    "recolour": "make {the_target} {shape.colour}",
    "remove": "remove {the_target}",
    "add": "add a {shape.look} at the {shape.place}",
    "move": "move {the_target} to the {shape.place}",
    "replace": "replace {the_target} with a {shape.look}",
    "background": "change the background to {background}",
}
_SIZE, _COLOUR, _KIND, _PLACE = map(any_of, (SIZES, COLOURS, KINDS, PLACES))
_TARGET: Final = (
    rf"the (?:(?P<size>{_SIZE}) )?(?:(?P<colour>{_COLOUR}) )?(?P<kind>{_KIND})"
    rf"(?: (?:at|in|on) the (?P<place>{_PLACE}))?"
)
_NEW: Final = rf"an? (?P<new_size>{_SIZE}) (?P<new_colour>{_COLOUR}) (?P<new_kind>{_KIND})"
_PATTERNS: Final[dict[Action, re.Pattern[str]]] = {
    "recolour": re.compile(rf"make {_TARGET} (?P<new_colour>{_COLOUR})"),
    "remove": re.compile(rf"remove {_TARGET}"),
    "add": re.compile(rf"add {_NEW} (?:at|in|on) the (?P<new_place>{_PLACE})"),
    "move": re.compile(rf"move {_TARGET} to the (?P<new_place>{_PLACE})"),
    "replace": re.compile(rf"replace {_TARGET} with {_NEW}"),
    "background": re.compile(rf"change the background to (?P<background>{any_of(BACKGROUNDS)})"),
}


def read_edit(text: str, scene: Scene) -> SceneEdit | None:
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


def edit_parts(text: str) -> tuple[Action, dict[str, str]] | None:
    """What `text` says to do, and what it names for it: `new_…` is what is to come."""
    said = re.sub(r"\s+", " ", text).strip().lower().rstrip(" ;,.")
    said = said.removesuffix(KEEP_REST).rstrip(" ;,.")
    for action, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(said):
            return action, {name: value for name, value in match.groupdict().items() if value}
    return None


def _read(text: str, scene: Scene) -> SceneEdit | None:
    action, found = edit_parts(text) or (None, {})
    if action is None:
        return None
    if action == "background":
        return SceneEdit.model_validate({"action": action, "background": found["background"]})
    new = {name.removeprefix("new_"): v for name, v in found.items() if name[:4] == "new_"}
    if action == "add":
        return SceneEdit.model_validate({"action": action, "shape": new})
    named = {name: value for name, value in found.items() if name[:4] != "new_"}
    fitting = [s for s in scene.shapes if named.items() <= s.model_dump().items()]
    if len(fitting) != 1:
        return None
    if action == "remove":
        return SceneEdit(action=action, target=fitting[0])
    changed = Shape.model_validate({**fitting[0].model_dump(), **new})
    return SceneEdit(action=action, target=fitting[0], shape=changed)


def _definite(target: Shape, scene: Scene, dense: bool, bare: bool) -> str:
    if dense:
        return f"the {target.look} at the {target.place}"
    if bare and sum(shape.kind == target.kind for shape in scene.shapes) == 1:
        return f"the {target.kind}"
    look = (target.colour, target.kind)
    alone = sum((shape.colour, shape.kind) == look for shape in scene.shapes) == 1
    return f"the {target.colour} {target.kind}" + ("" if alone else f" at the {target.place}")
