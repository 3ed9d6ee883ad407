"""Requests for diffusion RL: a stream to train on, and others that are only looked at.

A quarter is dense, since the refine loop stands on dense drawing; three eighths each are easy (one
to three shapes, no word) and as hard as the benchmark's. None is in the benchmark, in whose test
and dev split no request of these words occurs.
"""

from __future__ import annotations

from random import Random
from typing import Final, Literal

from rr_refine.sketch.bench.tasks import DIFFICULTIES, requests, scene_of
from rr_refine.sketch.world.phrasing import Register, describe, phrase, request_for
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.training.nft.data import TrainingPrompt

__all__ = ["HELD_OUT", "STREAM", "held_out", "prompt_of", "stream"]

Kind = Literal["dense", "easy", "hard"]

STREAM: Final = 4800
_TURN: Final[tuple[Kind, ...]] = ("dense", "easy", "hard", "easy", "dense", "hard", "easy", "hard")
HELD_OUT: Final[dict[Kind, int]] = {"dense": 80, "easy": 48, "hard": 48}
_REGISTERS: Final[tuple[Register, ...]] = ("terse", "relational", "casual")


def stream() -> list[TrainingPrompt]:
    """The rows to train on, in turn of their kinds."""
    used = _benchmark() | {row.prompt for row in held_out()}
    rows = []
    for number in range(STREAM):
        kind = _TURN[number % len(_TURN)]
        rows.append(_row(kind, f"rr-refine train nft {number}", number, used))
    return rows


def held_out() -> list[TrainingPrompt]:
    """The rows that are drawn again and again."""
    used = _benchmark()
    return [
        _row(kind, f"rr-refine train nft held-out {kind} {number}", number, used)
        for kind, count in HELD_OUT.items()
        for number in range(count)
    ]


def prompt_of(kind: Kind, random: Random, number: int) -> str:
    """A request of this kind; `number` makes registers and difficulties take turns."""
    register = _REGISTERS[number % len(_REGISTERS)]
    difficulty = DIFFICULTIES[number // 3 % len(DIFFICULTIES)]
    related = register == "relational" or difficulty == "relation"
    if kind == "easy":
        scene = random_scene(random, shapes=random.randint(1, 3), worded=False)
        return phrase(request_for(scene, register, random), register, random)
    scene = scene_of(difficulty, number, random, related=related)
    if kind == "dense":
        return describe(scene)
    register = "relational" if difficulty == "relation" else register
    return phrase(request_for(scene, register, random), register, random)


def _row(kind: Kind, seed: str, number: int, used: set[str]) -> TrainingPrompt:
    random = Random(seed)
    prompt = prompt_of(kind, random, number)
    while prompt in used:
        prompt = prompt_of(kind, random, number)
    return TrainingPrompt(prompt=prompt, kind=kind)


def _benchmark() -> set[str]:
    return {
        task.item.prompt
        for split in ("test", "dev")
        for in_full in (False, True)
        for task in requests(split, in_full=in_full)
    }
