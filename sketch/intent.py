"""Whether a prompt of the small world, which can be read whole, still asks for what was asked."""

from __future__ import annotations

import re

from rr_refine.request import Request
from rr_refine.sketch.world.phrasing import read_request, read_scene, unknown_words
from rr_refine.sketch.world.request import violations
from rr_refine.sketch.world.scene import COLOURS, KINDS, plural
from rr_refine.terms import Identity

__all__ = ["SketchIntentCheck"]


class SketchIntentCheck:
    """Entry point `sketch` of `rr_refine.intent_checks`."""

    identity = Identity(kind="sketch", name="sketch", details={"version": 2})

    def problems(self, request: Request, prompt: str) -> tuple[str, ...]:
        """What of the request the prompt loses.

        A prompt that describes one whole scene, in words of that world alone, as the small critic's
        requests do, is held to all of a request in such words. Where the request has others, the
        prompt must name its kinds and colours, and no other kinds. Of any other prompt nothing is
        known.
        """
        if unknown_words(prompt):
            return ()
        if unknown_words(request.prompt):
            asked_for, named = _looks(request.prompt), _looks(prompt)
            kinds = set(KINDS)
            return (
                *(f"it names no {word}" for word in sorted(asked_for - named)),
                *(f"nobody asked for a {word}" for word in sorted((named - asked_for) & kinds)),
            )
        asked, scene = read_request(request.prompt), read_scene(prompt)
        if asked is None or scene is None:
            return ()
        return tuple(f"it does not ask for {missed}" for missed in violations(asked, scene))


def _looks(text: str) -> set[str]:
    """The kinds and colours that a text names."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    return {kind for kind in KINDS if words & {kind, plural(kind)}} | (words & set(COLOURS))
