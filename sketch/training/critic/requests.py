"""What is asked for in practice: requests that the world can meet, and what is near a scene."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Final

from pydantic import ValidationError

from rr_refine.sketch.observation import Observation
from rr_refine.sketch.world.edit import SceneEdit, apply, phrase_edit, random_edit
from rr_refine.sketch.world.phrasing import Register, random_register, request_for
from rr_refine.sketch.world.request import SceneRequest
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import MAX_SHAPES, Scene

__all__ = ["random_edit_phrase", "random_request", "request_near", "scene_near"]

_CROWDED: Final = 0.3
"""How often there are many shapes alike, in some relation to others. Left to chance, of a hundred
requests one or two ask for four shapes left of a fifth, which is the hardest to lay out."""
_ALIKE: Final = 0.75
"""How often a further shape is like an earlier one then."""
_BARE: Final = 0.5
"""How often an edit that is not dense calls its target by its kind alone, where that will do."""


def random_request(
    random: Random, *, worded: bool | None = None
) -> tuple[Scene, Register, SceneRequest]:
    """A scene, and a request in some register that it meets; with a word, without, or either."""
    if random.random() >= _CROWDED:
        scene = random_scene(random, worded=worded)
        register = random_register(random)
        return scene, register, request_for(scene, register, random)
    while True:
        shapes = random.randint(3, 5)
        scene = random_scene(random, shapes=shapes, worded=worded, repeated=_ALIKE)
        request = request_for(scene, "relational", random)
        if request.relations:
            return scene, "relational", request


def random_edit_phrase(
    edit: SceneEdit, scene: Scene, random: Random, *, dense: bool = False
) -> str:
    """`edit` in words; where it is not `dense`, with or without what its target needs no more."""
    return phrase_edit(edit, scene, dense=dense, bare=random.random() < _BARE)


def scene_near(scene: Scene, random: Random) -> Scene:
    """`scene` after none to three random edits; its word too may be another."""
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        scene = apply(random_edit(scene, random), scene)
    if random.random() < 0.1:
        lettering = random_scene(random, shapes=1, worded=random.random() < 0.7).lettering
        if lettering is None or scene.at(lettering.place) is None:
            scene = scene.model_copy(update={"lettering": lettering})
    return scene


def request_near(observed: Observation, register: Register, random: Random) -> SceneRequest:
    """What somebody may have asked for in `register` who got such a picture."""
    scene = random_scene(random)
    one_each = [*{shape.place: shape for shape in observed.shapes}.values()]
    some = random.sample(one_each, min(len(one_each), MAX_SHAPES))
    others = {
        "background": observed.background or scene.background,
        "lettering": observed.lettering,
    }
    with suppress(ValidationError):  # there is nothing, or a shape where the word is
        scene = scene_near(scene.model_copy(update=others).with_shapes(*some), random)
    return request_for(scene, register, random)
