"""What is asked for in practice: requests that the world can meet, the hard ones often enough."""

from __future__ import annotations

from random import Random
from typing import Final

from rr_refine.sketch.world.edit import Edit, phrase_edit
from rr_refine.sketch.world.phrasing import Register, random_register, request_for
from rr_refine.sketch.world.request import Request
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import Scene

__all__ = ["random_edit_phrase", "random_request"]

_CROWDED: Final = 0.3
"""How often there are many shapes alike, in some relation to others. Left to chance, of a hundred
requests one or two ask for four shapes left of a fifth, which is the hardest to lay out."""
_ALIKE: Final = 0.75
"""How often a further shape is like an earlier one then."""
_BARE: Final = 0.5
"""How often an edit that is not dense calls its target by its kind alone, where that will do."""


def random_request(
    random: Random, *, worded: bool | None = None
) -> tuple[Scene, Register, Request]:
    """A scene, and a request in some register that it meets.

    Args:
        random: chooses everything.
        worded: with a word or without; at random by default.
    """
    if random.random() >= _CROWDED:
        scene = random_scene(random, worded=worded)
        register = random_register(random)
        return scene, register, request_for(scene, register, random)
    while True:
        shapes = random.randint(3, 5)
        scene = random_scene(random, shapes=shapes, worded=worded, repeated=_ALIKE)
        request = request_for(scene, "relational", random)
        if request.relations:
            return scene, "relational", request


def random_edit_phrase(edit: Edit, scene: Scene, random: Random, *, dense: bool = False) -> str:
    """`edit` in words; where it is not `dense`, with or without what its target needs no more."""
    return phrase_edit(edit, scene, dense=dense, bare=random.random() < _BARE)
