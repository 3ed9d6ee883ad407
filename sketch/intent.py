"""Whether a prompt of the small world, which can be read whole, still asks for what was asked."""

from __future__ import annotations

from rr_refine.request import Request
from rr_refine.sketch.world.phrasing import read_request, read_scene, unknown_words
from rr_refine.sketch.world.request import violations
from rr_refine.terms import Identity

__all__ = ["SketchIntentCheck"]


class SketchIntentCheck:
    """Entry point `sketch` of `rr_refine.intent_checks`."""

    identity = Identity(kind="sketch", name="sketch", details={"version": 1})

    def problems(self, request: Request, prompt: str) -> tuple[str, ...]:
        """What of the request the prompt loses.

        Only where the prompt describes one whole scene, in words of that world alone, as the small
        critic's requests do. Of any other nothing is known.
        """
        if unknown_words(request.prompt) or unknown_words(prompt):
            return ()
        asked, scene = read_request(request.prompt), read_scene(prompt)
        if asked is None or scene is None:
            return ()
        return tuple(f"it does not ask for {missed}" for missed in violations(asked, scene))
