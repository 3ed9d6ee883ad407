"""Cases: a request of the sketch world, pictures that were made for it, and the oracle's grades."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from random import Random
from typing import Final

from PIL import Image

from rr_refine.reward.preferences.sources import RawPair
from rr_refine.sketch.checking import Asked, Change
from rr_refine.sketch.oracle.grading import Grade, grade_edit, grade_request
from rr_refine.sketch.oracle.oracle import read_picture
from rr_refine.sketch.training.critic.asking import random_edit_phrase, random_request
from rr_refine.sketch.training.critic.choice import ChoiceModel
from rr_refine.sketch.training.critic.mutation import (
    EDIT_MUTATIONS,
    MUTATIONS,
    muddle,
    mutate,
    mutate_edit,
)
from rr_refine.sketch.training.critic.viewing import view_of
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.edit import random_edit, read_edit
from rr_refine.sketch.world.phrasing import phrase
from rr_refine.sketch.world.reading import read_request
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import Scene

__all__ = [
    "SketchCase",
    "drawn_cases",
    "grade",
    "raw_pairs",
    "read_asked",
]

_FLAWLESS: Final = 0.3
"""How often a drawn picture is what was asked for."""
_MUDDLED: Final = 0.4
"""How often a drawn picture of a request is muddled: what the small generator makes of short
prompts, and what refining starts from. With single faults alone, requests were refined well where
little was wrong, and badly where much was."""
_MOST_FAULTS: Final = 3
_WORDED: Final = 0.4
"""How often a request has a word: to read letters takes the most practice."""
_LICENCE: Final = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class SketchCase:
    """A request and some pictures that were made for it. All pictures are RGB."""

    key: str
    """Unique in its source of cases."""
    prompt: str
    asked: Asked
    """`prompt` as a value."""
    source: Image.Image | None
    """The picture that was edited, of the scene in `asked`."""
    pictures: tuple[Image.Image, ...]
    grades: tuple[Grade, ...]
    """By the oracle, for each picture."""
    made_by: tuple[str | None, ...]
    """The generator of each picture, or what was done wrong in drawing it."""


def read_asked(prompt: str, source: Image.Image | None) -> Asked | None:
    """What a prompt asks for; None where it means nothing, or its source cannot be read."""
    if source is None:
        return read_request(prompt)
    scene = read_picture(source).scene
    edit = read_edit(prompt, scene) if scene else None
    return Change(edit, scene) if scene and edit else None


def grade(asked: Asked, picture: Image.Image) -> Grade:
    """The oracle's grade of one picture."""
    if isinstance(asked, Change):
        return grade_edit(asked.edit, asked.source, picture)
    return grade_request(asked, picture)


def drawn_cases(seed: int, *, pictures: int = 2, edits: float = 0.4) -> Iterator[SketchCase]:
    """Cases without end: drawn as asked or with one to three faults, and more or less worn.

    Args:
        seed: the same seed gives the same cases.
        pictures: how many for each request.
        edits: the share of edits.
    """
    number = 0
    while True:
        # Each case from its own seed, so that one can be made again without those before it.
        random = Random(f"{seed}:{number}")
        make = _drawn_edit if random.random() < edits else _drawn_request
        yield make(f"{seed}:{number}", pictures, random)
        number += 1


def raw_pairs(
    cases: Iterable[SketchCase],
    *,
    dataset: str,
    split: str = "train",
    seed: int = 0,
    choice: ChoiceModel | None = None,
) -> Iterator[RawPair]:
    """Every two pictures of every case, with the choice of a person who does not look too closely.

    Ties are pairs too; ingestion drops them.
    """
    choice = choice or ChoiceModel()
    for case in cases:
        for first, second in combinations(range(len(case.pictures)), 2):
            key = f"{case.key}|{first}|{second}"
            preferred, margin = choice.choose(
                case.grades[first].scores, case.grades[second].scores, Random(f"{seed}:{key}")
            )
            yield RawPair(
                dataset=dataset,
                split=split,
                key=key,
                instruction=case.prompt,
                first=case.pictures[first],
                second=case.pictures[second],
                preferred=preferred,
                margin=margin,
                licence=_LICENCE,
                source=case.source,
                first_model=case.made_by[first],
                second_model=case.made_by[second],
            )


def _drawn_request(key: str, pictures: int, random: Random) -> SketchCase:
    target, register, request = random_request(random, worded=random.random() < _WORDED)
    drawn = [_faulty(target, random) for _ in range(pictures)]
    return _case(key, phrase(request, register, random), request, None, drawn, random)


def _drawn_edit(key: str, pictures: int, random: Random) -> SketchCase:
    source = random_scene(random)
    change = Change(random_edit(source, random), source)
    prompt = random_edit_phrase(change.edit, source, random, dense=random.random() < 0.3)
    drawn = []
    for _ in range(pictures):
        if random.random() < _FLAWLESS:
            drawn.append((change.expected, "drawn"))
        else:
            mutation = random.choice(EDIT_MUTATIONS)
            drawn.append((mutate_edit(change, random, mutation), f"drawn: {mutation}"))
    return _case(key, prompt, change, draw(source, random), drawn, random)


def _faulty(target: Scene, random: Random) -> tuple[Scene, str]:
    """The scene to draw, and what is wrong with it."""
    chance = random.random()
    if chance < _FLAWLESS:
        return target, "drawn"
    if chance < _FLAWLESS + _MUDDLED:
        return muddle(target, random), "drawn: muddled"
    mutations = random.choices(MUTATIONS, k=random.randint(1, _MOST_FAULTS))
    for mutation in mutations:
        target = mutate(target, random, mutation)
    return target, f"drawn: {', '.join(mutations)}"


def _case(
    key: str,
    prompt: str,
    asked: Asked,
    source: Image.Image | None,
    drawn: list[tuple[Scene, str]],
    random: Random,
) -> SketchCase:
    images = tuple(view_of(scene, random).image for scene, _ in drawn)
    grades = tuple(grade(asked, image) for image in images)
    return SketchCase(key, prompt, asked, source, images, grades, tuple(made for _, made in drawn))
