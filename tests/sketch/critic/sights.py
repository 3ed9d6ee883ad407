"""Sights and opinions to test with: true ones, wrong ones, and such as no scene has."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from rr_refine.sketch.checking import Asked, Change, scores_of
from rr_refine.sketch.sight import Sight, sight_of
from rr_refine.sketch.training.critic.faults import invent, misread
from rr_refine.sketch.training.critic.wording import Opinion
from rr_refine.sketch.world.edit import random_edit
from rr_refine.sketch.world.phrasing import REGISTERS, request_for
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import PLACES, Scene


def random_asked(random: Random) -> tuple[Asked, Scene]:
    """A request or an edit, and a scene that meets it."""
    scene = random_scene(random)
    if random.random() < 0.4:
        change = Change(random_edit(scene, random), scene)
        return change, change.expected
    return request_for(scene, random.choice(REGISTERS), random), scene


def random_sight(scene: Scene, random: Random) -> Sight:
    """Of `scene`, more or less, or of another one; sometimes of nothing, and nothing certain."""
    sight = sight_of(scene if random.random() < 0.7 else random_scene(random))
    for _ in range(random.randint(0, 3)):
        sight = random.choice((misread, invent))(sight, random)
    if random.random() < 0.2:
        doubts = tuple(place for place in PLACES if random.random() < 0.2)
        sight = replace(sight, doubts=doubts)
    if random.random() < 0.1:
        sight = replace(sight, lettering=None, unclear_letters=True)
    if random.random() < 0.1:
        sight = replace(sight, background=None)
    return sight if random.random() > 0.05 else Sight(sight.background)


def random_opinion(asked: Asked, scene: Scene, random: Random) -> Opinion:
    sight = random_sight(scene, random)
    return Opinion(sight, scores_of(asked, sight, round(random.uniform(1, 4), 1)))
