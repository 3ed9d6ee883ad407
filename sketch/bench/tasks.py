"""Held-out requests of the sketch world in four difficulties, and held-out edits.

Held out: every item has a seed of its own, a text that begins with `rr-refine bench sketch`, and no
training uses such seeds. By chance alone a dense caption of three shapes is met again once in
7 x 10^8, of more shapes more seldom. A terse request is short, so its words may well occur in
training, but each of thousands of scenes would do.

The `dev` split is for choosing between variants, `test` for what is reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Final, Literal

from PIL import Image

from rr_refine.benchmarks.item import Benchmark, Item, Mark
from rr_refine.pictures import load_picture
from rr_refine.sketch.checking import Asked, RequestedEdit
from rr_refine.sketch.oracle.grading import Grade, grade_picture
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.edit import ACTIONS, phrase_edit, random_edit
from rr_refine.sketch.world.phrasing import Register, dense, describe, phrase, request_for
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    PLACES,
    SIZES,
    WORD_PLACES,
    WORDS,
    Colour,
    Kind,
    Lettering,
    Scene,
    Shape,
)
from rr_refine.terms import SCORE_MAX, SCORE_MIN

__all__ = [
    "DIFFICULTIES",
    "SIZE",
    "Difficulty",
    "SketchTask",
    "Split",
    "as_benchmark",
    "edits",
    "requests",
    "scene_of",
    "to_mark",
]

Split = Literal["test", "dev"]
DIFFICULTIES: Final[tuple[Difficulty, ...]] = ("count", "relation", "attribute", "word")
SIZE: Final = 300
"""Items of a benchmark: 75 of each difficulty."""

_REGISTERS: Final[tuple[Register, ...]] = ("terse", "relational", "casual")
"""In turn; but relations can be said in the relational one only."""


@dataclass(frozen=True, slots=True)
class SketchTask:
    """An item and what it asks for, as a value."""

    item: Item
    asked: Asked

    @property
    def source(self) -> Image.Image | None:
        """The picture to edit."""
        return None if self.item.source is None else load_picture(self.item.source)

    def grade(self, image: Image.Image) -> Grade:
        """What the oracle says of a picture."""
        return grade_picture(self.asked, image)


def as_benchmark(name: str, tasks: Sequence[SketchTask]) -> Benchmark:
    """A benchmark of these tasks, graded by the oracle."""
    by_id = {task.item.id: task for task in tasks}

    async def grade(item: Item, image: Image.Image) -> Mark:
        return to_mark(await asyncio.to_thread(by_id[item.id].grade, image))

    return Benchmark(name, tuple(task.item for task in tasks), grade, scale=(SCORE_MIN, SCORE_MAX))


def requests(
    split: Split = "test", limit: int = SIZE, *, in_full: bool = False
) -> tuple[SketchTask, ...]:
    """The first `limit` requests of a split, one of each difficulty in turn; no two are alike.

    They leave open sizes and places, and two of three the background.

    Args:
        in_full: name everything, in the dense register, of a scene that meets each request: what
            can then go wrong is the generator.
    """
    used = {t.item.prompt for t in requests("test", max(limit, SIZE))} if split == "dev" else set()
    tasks: list[SketchTask] = []
    for number in range(limit):
        difficulty = DIFFICULTIES[number % len(DIFFICULTIES)]
        index = number // len(DIFFICULTIES)
        register = "relational" if difficulty == "relation" else _REGISTERS[index % 3]
        random = Random(f"rr-refine bench sketch {split} {difficulty} {index}")
        prompt = ""
        while not prompt or prompt in used:
            scene = scene_of(difficulty, index, random, related=register == "relational")
            asked = request_for(scene, register, random)
            if asked.relations or register != "relational":
                prompt = phrase(asked, register, random)
        used.add(prompt)
        if in_full:
            register, asked, prompt = "dense", dense(scene), describe(scene)
        labels = {"difficulty": difficulty, "register": register}
        seed = random.getrandbits(31)
        item = Item(id=f"{difficulty}-{index:03}", prompt=prompt, seed=seed, labels=labels)
        tasks.append(SketchTask(item, asked))
    return tuple(tasks)


def edits(
    split: Split = "test", limit: int = SIZE, *, in_full: bool = False
) -> tuple[SketchTask, ...]:
    """The first `limit` edits of a split, each action in turn, of drawn pictures.

    Args:
        in_full: name the target in every detail and say that the rest stays.
    """
    tasks = []
    for number in range(limit):
        action, index = ACTIONS[number % len(ACTIONS)], number // len(ACTIONS)
        random = Random(f"rr-refine bench sketch {split} edit {action} {index}")
        while True:
            scene = random_scene(random)
            edit = random_edit(scene, random, action)
            if edit.action == action:
                break
        item = Item(
            id=f"{action}-{index:03}",
            prompt=phrase_edit(edit, scene, dense=in_full),
            seed=random.getrandbits(31),
            source=draw(scene, random),
            labels={"action": action, "register": "dense" if in_full else "terse"},
        )
        tasks.append(SketchTask(item, RequestedEdit(edit, scene)))
    return tuple(tasks)


def to_mark(grade: Grade) -> Mark:
    """The mark that a grade of the oracle makes, 1 to 4 as the critic's mean."""
    return Mark(
        exact=grade.exact,
        score=fmean(score for score in grade.scores.values() if score is not None),
        missed=grade.missed,
    )


Difficulty = Literal["count", "relation", "attribute", "word"]
"""`count`: two to five shapes alike, maybe others. `relation`: two groups that stand somehow to
each other, maybe a third. `attribute`: three or four shapes that all differ. `word`: a word, and
one to three shapes that differ."""


def scene_of(difficulty: Difficulty, index: int, random: Random, *, related: bool) -> Scene:
    """A scene of this difficulty; how much there is to count goes round with `index`.

    With `related` there are at least two groups, so that one can stand in relation to another.
    """
    match difficulty:
        case "count":
            alike = 2 + index // 3 % (3 if related else 4)
            groups = [alike, *[1] * random.randint(int(related), min(2, 5 - alike))]
        case "relation":
            groups = random.choice([[1, 1], [2, 1], [1, 1, 1], [2, 1, 1]])
        case "attribute":
            groups = [1] * random.randint(3, 4)
        case "word":
            groups = [1] * random.randint(1 + int(related), 3)
    return _scene(groups, random, worded=difficulty == "word")


def _scene(groups: list[int], random: Random, *, worded: bool) -> Scene:
    """So many shapes alike in each group, and no two groups of the same kind and colour."""
    looks: list[tuple[Kind, Colour]] = []
    while len(looks) < len(groups):
        look = random.choice(KINDS), random.choice(COLOURS)
        if look not in looks:
            looks.append(look)
    word_place = random.choice(WORD_PLACES) if worded else None
    free = [place for place in PLACES if place != word_place]
    places = iter(random.sample(free, sum(groups)))
    shapes = []
    for count, (kind, colour) in zip(groups, looks, strict=True):
        size = random.choice(SIZES)
        shapes += [
            Shape(kind=kind, colour=colour, size=size, place=next(places)) for _ in range(count)
        ]
    return Scene(
        background=random.choice(BACKGROUNDS),
        shapes=tuple(sorted(shapes, key=lambda shape: PLACES.index(shape.place))),
        lettering=Lettering(word=random.choice(WORDS), place=word_place) if word_place else None,
    )
