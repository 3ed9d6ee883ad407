"""A rewriter for the small models: it asks for a whole scene that would meet the request.

They know no directives, such as those of the rewriter `rules`. What helps them most is a place and
a size for everything.
"""

from __future__ import annotations

from random import Random
from typing import Final

from pydantic import JsonValue

from rr_refine.agent.rewriting.revising import Merged
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewrites, join_clauses
from rr_refine.plugins import parse_options
from rr_refine.request import Request
from rr_refine.sketch.observation import Observation
from rr_refine.sketch.plan import plan
from rr_refine.sketch.remark import LONGEST, revised_edit, revised_request
from rr_refine.sketch.world.phrasing import describe, read_request
from rr_refine.sketch.world.understanding import not_understood
from rr_refine.terms import Given, Identity

__all__ = ["SketchRewriter", "create", "say_in_full"]

_LAYOUTS: Final = 4
"""Proposals for one request: more than there are rounds by default."""


class SketchRewriter:
    """Describes scenes that meet the request, in several layouts."""

    identity = Identity(kind="sketch", name="sketch", details={"version": 1})

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        """See `Rewriter.rewrite`. No proposal for an edit, or for a request of another world."""
        request = context.request.prompt
        if context.request.task == "edit" or not_understood(request):
            return Rewrites()
        layouts = [
            say_in_full(request, Random(f"{request} {number}") if number else None)
            for number in range(_LAYOUTS)
        ]
        prompts = [join_clauses(each, context.remarks) for each in layouts if each]
        return Rewrites(
            proposals=tuple(Rewrite(prompt=p, why="said in full") for p in dict.fromkeys(prompts))
        )

    async def merge(self, request: Request, remark: str) -> Merged:
        """See `rr_refine.agent.rewriting.revising.CanMerge`."""
        read = revised_request if request.task == "t2i" else revised_edit
        return Merged(prompt=None if len(remark) > LONGEST else read(request.prompt, remark))


def say_in_full(request: str, random: Random | None) -> str | None:
    """A whole scene that meets `request`, in words; None where it cannot be read.

    The planner is the one that the critic was taught with, which here is told that nothing is seen.

    Args:
        random: chooses among good places; None takes the best.
    """
    asked = read_request(request)
    scene = None if asked is None else plan(asked, Observation(None), random)
    return None if scene is None else describe(scene)


class _Options(Given):
    """There are none."""


def create(**options: JsonValue) -> SketchRewriter:
    """Entry point `sketch` of `rr_refine.rewriters`.

    Raises:
        ConfigError: any option.
    """
    parse_options(_Options, options, "rewriter.sketch")
    return SketchRewriter()
