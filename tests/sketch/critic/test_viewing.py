"""Pictures to learn from, held against the oracle."""

from __future__ import annotations

from random import Random
from statistics import fmean

import pytest

from rr_refine.sketch.oracle.oracle import read_picture
from rr_refine.sketch.sight import sight_of
from rr_refine.sketch.training.critic.mutation import muddle
from rr_refine.sketch.training.critic.viewing import lettered_view, plain_view, view_of
from rr_refine.sketch.world.sampling import random_scene


def test_a_plain_view_is_what_the_oracle_sees() -> None:
    random = Random(1)
    for _ in range(30):
        view = plain_view(random)
        assert sight_of(read_picture(view.image)) == view.sight
        assert view.words == ((view.sight.lettering,) if view.sight.lettering else ())


def test_spoilt_words_are_none_to_the_oracle_either() -> None:
    random = Random(2)
    twice = scribbled = read = 0
    for _ in range(400):
        view = view_of(random_scene(random, worded=True), random)
        if view.damaged or view.sight.lettering:
            continue
        assert view.sight.unclear_letters
        assert (view.scribbled is None) == (len(view.words) == 2)
        twice += len(view.words) == 2
        scribbled += view.scribbled is not None
        read += read_picture(view.image).lettering is not None
    assert twice > 15
    assert scribbled > 40
    # Half of another word is sometimes clear enough.
    assert read < 0.15 * (twice + scribbled)


def test_what_is_spelt_is_what_the_oracle_reads() -> None:
    random = Random(3)
    views = [lettered_view(random) for _ in range(150)]
    views += [view_of(random_scene(random, worded=True), random) for _ in range(150)]
    told = [view for view in views if view.spelt and len(view.words) < 2 and not view.damaged]
    assert len(told) > 200
    right = [read_picture(view.image).letters == view.spelt for view in told]
    assert fmean(right) > 0.9  # worn ones cannot always be read


def test_letters_to_learn_from_are_mostly_no_word() -> None:
    random = Random(4)
    views = [lettered_view(random) for _ in range(200)]
    assert len({view.spelt for view in views}) > 150
    assert fmean(view.scribbled is not None for view in views) > 0.95
    assert all(view.sight.unclear_letters == (not view.words) for view in views)


@pytest.mark.parametrize("seed", range(3))
def test_a_muddled_scene_has_the_words_and_not_who_is_what(seed: int) -> None:
    random = Random(seed)
    scene = random_scene(random, shapes=4)
    counts = set()
    kinds = {shape.kind for shape in scene.shapes}
    looks = {(shape.colour, shape.kind) for shape in scene.shapes}
    heard, same = [], []
    for _ in range(100):
        muddled = muddle(scene, random)
        counts.add(len(muddled.shapes))
        places = [shape.place for shape in muddled.shapes]
        assert len({*places}) == len(places)
        heard += [shape.kind in kinds for shape in muddled.shapes]
        same += [(shape.colour, shape.kind) in looks for shape in muddled.shapes]
        assert not muddled.lettering or muddled.lettering.place not in places
        view = view_of(muddled, random)
        assert view.sight.shapes == muddled.shapes
    assert counts == {1, 2, 3, 4, 5, 6, 7}
    assert fmean(heard) > 0.8
    assert fmean(same) < 0.6
