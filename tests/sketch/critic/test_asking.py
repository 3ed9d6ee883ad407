from __future__ import annotations

from random import Random

from rr_refine.sketch.training.critic.requests import random_edit_phrase, random_request
from rr_refine.sketch.world.edit import phrase_edit, random_edit, read_edit
from rr_refine.sketch.world.phrasing import phrase, read_request
from rr_refine.sketch.world.request import violations
from rr_refine.sketch.world.sampling import random_scene


def test_every_request_is_met_by_its_scene_and_can_be_read() -> None:
    random = Random(1)
    for _ in range(300):
        scene, register, request = random_request(random)
        assert violations(request, scene) == ()
        assert read_request(phrase(request, register, random)) == request


def test_requests_with_and_without_a_word() -> None:
    random = Random(2)
    for worded in (True, False):
        for _ in range(50):
            assert (random_request(random, worded=worded)[2].word is not None) is worded


def test_much_to_count_in_a_relation_is_asked_for_often() -> None:
    """Of scenes left to chance, 1.5 % are such."""
    random = Random(3)
    requests = [random_request(random)[2] for _ in range(1000)]
    hard = sum(
        bool(request.relations) and max(group.count for group in request.groups) >= 3
        for request in requests
    )
    assert hard / len(requests) > 0.08


def test_edits_are_said_with_and_without_what_can_be_left_out() -> None:
    random = Random(4)
    bare = 0
    for _ in range(200):
        scene = random_scene(random)
        edit = random_edit(scene, random)
        said = random_edit_phrase(edit, scene, random)
        assert read_edit(said, scene) == edit
        bare += said != phrase_edit(edit, scene)
        full = random_edit_phrase(edit, scene, random, dense=True)
        assert full == phrase_edit(edit, scene, dense=True)
    assert 20 < bare < 150
