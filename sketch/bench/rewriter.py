"""The best that can be done without seeing a picture: ask for a whole scene that would do."""

from __future__ import annotations

from random import Random

from pydantic import JsonValue

from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewrites
from rr_refine.plugins import parse_options
from rr_refine.sketch.rewriter import say_in_full
from rr_refine.sketch.world.edit import KEEP_REST
from rr_refine.terms import Given, Identity

__all__ = ["NAME", "BlindSketchRewriter", "create"]

NAME = "rr_refine.sketch.bench.rewriter:create"
"""For `Policy.rewriters`."""


class BlindSketchRewriter:
    """Turns any request of the sketch world into a dense one, by the planner that the critic of the
    sketch world was taught with, which here is told that nothing is seen.

    Its choices among equally good places follow from the request. An edit it can only close with
    the words that the rest stays: what to name in full is in the picture.
    """

    identity = Identity(kind="blind-sketch", name="blind-sketch", details={"version": 1})

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        """See `Rewriter.rewrite`; no proposal where the request is not of this world."""
        prompt = context.request.prompt
        if context.request.task == "edit":
            return Rewrites(proposals=(Rewrite(prompt=f"{prompt}; {KEEP_REST}"),))
        scene = say_in_full(prompt, Random(prompt))
        return Rewrites(proposals=(Rewrite(prompt=scene),) if scene else ())


class _Options(Given):
    """There are none."""


def create(**options: JsonValue) -> BlindSketchRewriter:
    """For `plugins.create`.

    Raises:
        ConfigError: any option.
    """
    parse_options(_Options, options, "rewriter.blind-sketch")
    return BlindSketchRewriter()
