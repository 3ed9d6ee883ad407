"""Pictures to learn from, held against the oracle."""

from __future__ import annotations

from random import Random
from statistics import fmean

import pytest

from rr_refine.sketch.observation import observation_of
from rr_refine.sketch.oracle.reading import read_picture
from rr_refine.sketch.training.critic.mutation import scramble
from rr_refine.sketch.training.critic.training_pictures import (
    lettered_picture,
    picture_of,
    plain_picture,
)
from rr_refine.sketch.world.sampling import random_scene


def test_a_plain_view_is_what_the_oracle_sees() -> None:
    random = Random(1)
    for _ in range(30):
        picture = plain_picture(random)
        assert observation_of(read_picture(picture.image)) == picture.observation
        assert picture.words == (
            (picture.observation.lettering,) if picture.observation.lettering else ()
        )


def test_spoilt_words_are_none_to_the_oracle_either() -> None:
    random = Random(2)
    twice = scribbled = read = 0
    for _ in range(400):
        picture = picture_of(random_scene(random, worded=True), random)
        if picture.damaged or picture.observation.lettering:
            continue
        assert picture.observation.unclear_letters
        assert (picture.scribbled is None) == (len(picture.words) == 2)
        twice += len(picture.words) == 2
        scribbled += picture.scribbled is not None
        read += read_picture(picture.image).lettering is not None
    assert twice > 15
    assert scribbled > 40
    # Half of another word is sometimes clear enough.
    assert read < 0.15 * (twice + scribbled)


def test_what_is_spelt_is_what_the_oracle_reads() -> None:
    random = Random(3)
    pictures = [lettered_picture(random) for _ in range(150)]
    pictures += [picture_of(random_scene(random, worded=True), random) for _ in range(150)]
    told = [
        picture
        for picture in pictures
        if picture.spelt and len(picture.words) < 2 and not picture.damaged
    ]
    assert len(told) > 200
    right = [read_picture(picture.image).letters == picture.spelt for picture in told]
    assert fmean(right) > 0.9  # worn ones cannot always be read


def test_letters_to_learn_from_are_mostly_no_word() -> None:
    random = Random(4)
    pictures = [lettered_picture(random) for _ in range(200)]
    assert len({picture.spelt for picture in pictures}) > 150
    assert fmean(picture.scribbled is not None for picture in pictures) > 0.95
    assert all(picture.observation.unclear_letters == (not picture.words) for picture in pictures)


@pytest.mark.parametrize("seed", range(3))
def test_a_muddled_scene_has_the_words_and_not_who_is_what(seed: int) -> None:
    random = Random(seed)
    scene = random_scene(random, shapes=4)
    counts = set()
    kinds = {shape.kind for shape in scene.shapes}
    looks = {(shape.colour, shape.kind) for shape in scene.shapes}
    heard, same = [], []
    for _ in range(100):
        muddled = scramble(scene, random)
        counts.add(len(muddled.shapes))
        places = [shape.place for shape in muddled.shapes]
        assert len({*places}) == len(places)
        heard += [shape.kind in kinds for shape in muddled.shapes]
        same += [(shape.colour, shape.kind) in looks for shape in muddled.shapes]
        assert not muddled.lettering or muddled.lettering.place not in places
        picture = picture_of(muddled, random)
        assert picture.observation.shapes == muddled.shapes
    assert counts == {1, 2, 3, 4, 5, 6, 7}
    assert fmean(heard) > 0.8
    assert fmean(same) < 0.6
