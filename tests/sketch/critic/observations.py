"""Observations and judgements to test with: true ones, wrong ones, and such as no scene has."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from rr_refine.sketch.checking import Asked, RequestedEdit, scores_of
from rr_refine.sketch.observation import Observation, observation_of
from rr_refine.sketch.training.critic.faults import invent, misread
from rr_refine.sketch.training.critic.wording import WrittenJudgement
from rr_refine.sketch.world.edit import random_edit
from rr_refine.sketch.world.phrasing import REGISTERS, request_for
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import PLACES, Scene
from rr_refine.terms import Task


def task_of(asked: Asked) -> Task:
    return "edit" if isinstance(asked, RequestedEdit) else "t2i"


def random_asked(random: Random) -> tuple[Asked, Scene]:
    """A request or an edit, and a scene that meets it."""
    scene = random_scene(random)
    if random.random() < 0.4:
        change = RequestedEdit(random_edit(scene, random), scene)
        return change, change.expected
    return request_for(scene, random.choice(REGISTERS), random), scene


def random_observation(scene: Scene, random: Random) -> Observation:
    """Of `scene`, more or less, or of another one; sometimes of nothing, and nothing certain."""
    observed = observation_of(scene if random.random() < 0.7 else random_scene(random))
    for _ in range(random.randint(0, 3)):
        observed = random.choice((misread, invent))(observed, random)
    if random.random() < 0.2:
        doubts = tuple(place for place in PLACES if random.random() < 0.2)
        observed = replace(observed, doubts=doubts)
    if random.random() < 0.1:
        observed = replace(observed, lettering=None, unclear_letters=True)
    if random.random() < 0.1:
        observed = replace(observed, background=None)
    return observed if random.random() > 0.05 else Observation(observed.background)


def random_judgement(asked: Asked, scene: Scene, random: Random) -> WrittenJudgement:
    observed = random_observation(scene, random)
    return WrittenJudgement(observed, scores_of(asked, observed, round(random.uniform(1, 4), 1)))
