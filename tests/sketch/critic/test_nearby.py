from __future__ import annotations

from random import Random
from statistics import fmean

from rr_refine.sketch.observation import Observation, observation_of
from rr_refine.sketch.training.critic.mutation import scramble
from rr_refine.sketch.training.critic.requests import request_near, scene_near
from rr_refine.sketch.world.phrasing import REGISTERS
from rr_refine.sketch.world.request import requirements, violations
from rr_refine.sketch.world.sampling import random_scene


def test_a_scene_near_another_shares_most_of_it() -> None:
    random = Random(1)
    scenes = [random_scene(random, shapes=4) for _ in range(200)]
    others = [scene_near(scene, random) for scene in scenes]
    kept = [len(set(a.shapes) & set(b.shapes)) for a, b in zip(scenes, others, strict=True)]
    assert 0.1 < fmean(a == b for a, b in zip(scenes, others, strict=True)) < 0.4
    assert 2.5 < fmean(kept) < 3.7
    words = [a.lettering != b.lettering for a, b in zip(scenes, others, strict=True)]
    assert 0.02 < fmean(words) < 0.2


def test_a_request_near_a_picture_is_met_in_part() -> None:
    random = Random(2)
    met, whole = [], []
    for _ in range(200):
        scene = random_scene(random)
        request = request_near(observation_of(scene), random.choice(REGISTERS), random)
        missed = violations(request, scene)
        met.append(1 - len(missed) / len(requirements(request)))
        whole.append(not missed)
    assert 0.6 < fmean(met) < 0.95
    assert 0.15 < fmean(whole) < 0.7


def test_of_a_crowd_some_is_asked_for() -> None:
    random = Random(3)
    shared = []
    for _ in range(100):
        crowd = observation_of(scramble(random_scene(random), random))
        asked = request_near(crowd, "terse", random)
        shared.append(any(group.admits(s) for group in asked.groups for s in crowd.shapes))
    assert fmean(shared) > 0.8


def test_where_nothing_is_seen_anything_may_be_asked_for() -> None:
    asked = {request_near(Observation(None), "terse", Random(seed)) for seed in range(20)}
    assert len(asked) > 15
