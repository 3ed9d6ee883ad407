"""What the sketch critic's words say: what it names as missed, and what it asks for instead."""

from __future__ import annotations

import re
from typing import Final

from rr_refine.reward.critique import Critique
from rr_refine.sketch.world.phrasing import read_scene
from rr_refine.sketch.world.request import NOTHING_ELSE, SceneRequest, violations
from rr_refine.sketch.world.understanding import not_understood

__all__ = ["in_world", "meets", "named_misses"]

_MISSED: Final = re.compile(r"\bMissed: ([^.]+)\.")
_TOO_MUCH: Final = "There is more than asked."
"""As `rr_refine.sketch.training.critic.wording` has it."""


def named_misses(critique: Critique) -> frozenset[str]:
    """The requirements named as missed under text faithfulness, in the words of `Grade.missed`."""
    words = critique.rationales["text_faithfulness"] or ""
    named = [part.strip() for found in _MISSED.findall(words) for part in found.split(";")]
    return frozenset([*named, *([NOTHING_ELSE] if _TOO_MUCH in words else [])])


def in_world(text: str) -> bool:
    """Has all of `text` a meaning in the sketch world?"""
    return not not_understood(text)


def meets(text: str, asked: SceneRequest) -> bool:
    """Does `text` describe one whole scene, and does that meet what was asked for?"""
    scene = read_scene(text)
    return scene is not None and not violations(asked, scene)
