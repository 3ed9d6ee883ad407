"""What is near a scene: others that differ in little, and requests that it nearly meets."""

from __future__ import annotations

from contextlib import suppress
from random import Random

from pydantic import ValidationError

from rr_refine.sketch.sight import Sight
from rr_refine.sketch.world.edit import apply, random_edit
from rr_refine.sketch.world.phrasing import Register, request_for
from rr_refine.sketch.world.request import Request
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import MAX_SHAPES, Scene

__all__ = ["near", "request_near"]


def near(scene: Scene, random: Random) -> Scene:
    """`scene` after none to three random edits; its word too may be another."""
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        scene = apply(random_edit(scene, random), scene)
    if random.random() < 0.1:
        lettering = random_scene(random, shapes=1, worded=random.random() < 0.7).lettering
        if lettering is None or scene.at(lettering.place) is None:
            scene = scene.model_copy(update={"lettering": lettering})
    return scene


def request_near(sight: Sight, register: Register, random: Random) -> Request:
    """What somebody may have asked for in `register` who got such a picture."""
    scene = random_scene(random)
    one_each = [*{shape.place: shape for shape in sight.shapes}.values()]
    some = random.sample(one_each, min(len(one_each), MAX_SHAPES))
    paper = {"background": sight.background or scene.background, "lettering": sight.lettering}
    with suppress(ValidationError):  # there is nothing, or a shape where the word is
        scene = near(scene.model_copy(update=paper).with_shapes(*some), random)
    return request_for(scene, register, random)
