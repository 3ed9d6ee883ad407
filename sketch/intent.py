"""Whether a prompt of the small world, which can be read whole, still asks for what was asked."""

from __future__ import annotations

import re
from typing import Final

from rr_refine.request import Request
from rr_refine.sketch.world.phrasing import read_request, read_scene
from rr_refine.sketch.world.request import NOTHING_ELSE, violations
from rr_refine.sketch.world.scene import BACKGROUNDS, COLOURS, KINDS, plural
from rr_refine.sketch.world.understanding import not_understood
from rr_refine.terms import Identity

__all__ = ["SketchIntentCheck"]

_LETTERS: Final = re.compile(r"(?<![\w-])[^\W_](?:-[^\W_])+(?![\w-])")


class SketchIntentCheck:
    """Entry point `sketch` of `rr_refine.intent_checks`."""

    identity = Identity(kind="sketch", name="sketch", details={"version": 3})

    def problems(self, request: Request, prompt: str) -> tuple[str, ...]:
        """What of the request the prompt loses, and what nobody asked for.

        A prompt that describes one whole scene, as the small critic's requests do, is held to all
        that was read of the request. Where one of both says more than was read, the prompt must
        also name the kinds, colours, backgrounds and words of the request, and no other kinds. A
        word that is spelled letter by letter is of no use to the small models.
        """
        if letters := [one for one in _LETTERS.findall(prompt) if one not in request.prompt]:
            return (f"the small models cannot read {letters[0]!r}",)
        asked = read_request(request.prompt) if request.task == "t2i" else None
        scene = None if not_understood(prompt) else read_scene(prompt)
        lost = () if asked is None or scene is None else violations(asked, scene)
        if lost and not not_understood(request.prompt):
            return tuple(f"it does not ask for {missed}" for missed in lost)
        asked_for, named = _looks(request.prompt), _looks(prompt)
        return (
            *(f"it does not ask for {missed}" for missed in lost if missed != NOTHING_ELSE),
            *(f"it names no {word}" for word in sorted(asked_for - named)),
            *(f"nobody asked for a {word}" for word in sorted((named - asked_for) & {*KINDS})),
        )


def _looks(text: str) -> set[str]:
    """The kinds, colours and backgrounds that a text names, and the words that it wants written."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    kinds = {kind for kind in KINDS if words & {kind, plural(kind)}}
    written = re.findall(r"\bthe word \W?([a-z]+)", text.lower())
    return kinds | (words & {*COLOURS, *BACKGROUNDS}) | {word.upper() for word in written}
