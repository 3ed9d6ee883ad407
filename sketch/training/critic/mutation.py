"""Scenes that miss what was asked for, in the ways that image generators do."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, Literal, TypeVar, get_args

from rr_refine.sketch.checking import RequestedEdit
from rr_refine.sketch.world.edit import apply, random_edit
from rr_refine.sketch.world.sampling import another, random_shape
from rr_refine.sketch.world.scene import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    MAX_SHAPES,
    PLACES,
    SIZES,
    WORD_PLACES,
    WORDS,
    Lettering,
    Place,
    Scene,
    Shape,
    in_order,
)

__all__ = [
    "EDIT_MUTATIONS",
    "MUTATIONS",
    "EditMutation",
    "Mutation",
    "mutate",
    "mutate_edit",
    "scramble",
]

T = TypeVar("T")

Mutation = Literal[
    "colour", "kind", "size", "place", "background", "word", "missing", "extra", "again", "swapped"
]
"""One property of one shape is wrong; the background; the word is wrong, missing or not asked for;
a shape is missing, too many, or there twice; two shapes have each other's colour."""
MUTATIONS: Final[tuple[Mutation, ...]] = get_args(Mutation)

EditMutation = Literal["nothing done", "wrong target", "wrong value", "more done"]
"""The picture is the source; another shape was edited; the edit was another one; something else
changed too."""
EDIT_MUTATIONS: Final[tuple[EditMutation, ...]] = get_args(EditMutation)

_CROWD: Final = 7
"""The most shapes of a scrambled scene."""
_TAKEN_UP: Final = 0.85
"""How often a scrambled scene takes a property from the words."""


def mutate(scene: Scene, random: Random, mutation: Mutation) -> Scene:
    """`scene` with one thing wrong; as it was where `mutation` is impossible in it."""
    target = random.choice(scene.shapes)
    rest = [shape for shape in scene.shapes if shape != target]
    free = scene.free_places()
    changed: dict[str, object] = {}
    match mutation:
        case "colour" | "kind" | "size":
            values = {"colour": COLOURS, "kind": KINDS, "size": SIZES}[mutation]
            changed = {mutation: another(values, getattr(target, mutation), random)}
        case "place":
            changed = {"place": random.choice(free)}
        case "background":
            background = another(BACKGROUNDS, scene.background, random)
            return scene.model_copy(update={"background": background})
        case "word":
            return _with_other_word(scene, free, random)
        case "missing":
            return scene.with_shapes(*rest) if rest else scene
        case "extra" | "again":
            if len(scene.shapes) == MAX_SHAPES:
                return scene
            look = target if mutation == "again" else random_shape(random)
            more = look.model_copy(update={"place": random.choice(free)})
            return scene.with_shapes(*scene.shapes, more)
        case "swapped":
            others = [shape for shape in rest if shape.colour != target.colour]
            if not others:
                return scene
            other = random.choice(others)
            rest.remove(other)
            rest.append(other.model_copy(update={"colour": target.colour}))
            changed = {"colour": other.colour}
    return scene.with_shapes(*rest, target.model_copy(update=changed))


def scramble(scene: Scene, random: Random) -> Scene:
    """`scene` as drawn by a generator that mixes up attributes: some shapes, mostly with its kinds,
    colours and sizes, newly combined; mostly with its background and its word.
    """
    written = scene.lettering if random.random() < _TAKEN_UP else None
    places = [place for place in PLACES if not written or place != written.place]
    shapes = [
        Shape(
            kind=_taken_up([shape.kind for shape in scene.shapes], KINDS, random),
            colour=_taken_up([shape.colour for shape in scene.shapes], COLOURS, random),
            size=_taken_up([shape.size for shape in scene.shapes], SIZES, random),
            place=place,
        )
        for place in random.sample(places, random.randint(1, _CROWD))
    ]
    # Not validated: a scene may have no more than five shapes, and a picture may have more.
    return Scene.model_construct(
        background=_taken_up([scene.background], BACKGROUNDS, random),
        shapes=in_order(shapes),
        lettering=written,
    )


def mutate_edit(change: RequestedEdit, random: Random, mutation: EditMutation) -> Scene:
    """The source after a botched edit; after the right one where `mutation` is impossible."""
    edit, source, target = change.edit, change.source, change.edit.target
    match mutation:
        case "nothing done":
            return source
        case "wrong target":
            others = [shape for shape in source.shapes if shape != target]
            if not others or not target:
                return change.expected
            other = random.choice(others)
            shape = edit.shape
            if shape and edit.action == "recolour":
                shape = other.model_copy(update={"colour": shape.colour})
            elif shape and edit.action == "move":
                shape = other.model_copy(update={"place": shape.place})
            elif shape:
                shape = shape.model_copy(update={"place": other.place})
            return apply(edit.model_copy(update={"target": other, "shape": shape}), source)
        case "wrong value":
            return apply(random_edit(source, random, edit.action), source)
        case "more done":
            return mutate(change.expected, random, random.choice(MUTATIONS))


def _with_other_word(scene: Scene, free: list[Place], random: Random) -> Scene:
    """Without its word, with another, or with one that nobody asked for."""
    written = scene.lettering
    places = [written.place] if written else [place for place in WORD_PLACES if place in free]
    if not places or (written and random.random() < 0.5):
        return scene.model_copy(update={"lettering": None})
    word = another(WORDS, written.word if written else None, random)
    lettering = Lettering(word=word, place=random.choice(places))
    return scene.model_copy(update={"lettering": lettering})


def _taken_up(said: Sequence[T], values: Sequence[T], random: Random) -> T:
    return random.choice(said if random.random() < _TAKEN_UP else values)
