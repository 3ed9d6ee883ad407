"""A rewriter without a model: it says again, more plainly, what the critic found missing."""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewrites, join_clauses
from rr_refine.agent.rewriting.spelling import lettering
from rr_refine.plugins import parse_options
from rr_refine.terms import Dimension, Given, Identity

__all__ = ["RulesRewriter", "create"]

# Two phrasings each: when the first did not help, the second is a different prompt.
_DIRECTIVES: Final[dict[Dimension, tuple[str, str]]] = {
    "text_faithfulness": (
        "show every requested element clearly, with its exact count, colour and place",
        "nothing requested is missing and nothing else is added",
    ),
    "image_faithfulness": (
        "leave everything that the instruction does not mention exactly as it is",
        "same composition, same subjects, same background, same style as in the source",
    ),
    "physical_quality": (
        "sharp, well-lit, natural proportions and plausible physics",
        "clean edges, coherent anatomy and perspective, no artifacts",
    ),
    "text_rendering": (
        "the lettering is spelled exactly as given, large and legible",
        "crisp, correctly spelled letters, nothing else written anywhere",
    ),
}


class RulesRewriter:
    """Appends plain directives for the weakest dimensions to the original request.

    Before the first render (blind) it appends those that any picture of the task profits from.
    """

    identity = Identity(kind="rules", name="rules", details={"version": 4})

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        """See `Rewriter.rewrite`. Costs nothing."""
        weak, spelled = _weak(context), lettering(context)
        variants = [
            [*spelled, *(_DIRECTIVES[d][0] for d in weak)],
            [*spelled, *(_DIRECTIVES[d][1] for d in weak)],
            [*spelled, *(text for d in weak for text in _DIRECTIVES[d])],
        ]
        why = "weakest: " + ", ".join(d.replace("_", " ") for d in weak)
        prompts = [
            join_clauses(context.request.prompt, [*context.remarks, *clauses])
            for clauses in variants
        ]
        # What stands behind the end of what the generator reads would have no effect.
        prompts = [one for one in prompts if context.is_read(one)] or prompts
        return Rewrites(proposals=tuple(Rewrite(prompt=prompt, why=why) for prompt in prompts))


def _weak(context: RewriteContext) -> list[Dimension]:
    """Dimensions below the target, weakest first; the weakest one where none is below."""
    if context.incumbent is None:
        has_text = any(span.kind == "quoted" for span in context.spans)
        blind: list[Dimension] = ["text_faithfulness"]
        if context.request.task == "edit":
            blind.append("image_faithfulness")
        return [*blind, "text_rendering"] if has_text else blind
    scores = sorted(context.incumbent.candidate.applicable.items(), key=lambda item: item[1])
    return [d for d, score in scores if score < context.target] or [scores[0][0]]


class _Options(Given):
    """The rules rewriter has no options."""


def create(**options: JsonValue) -> RulesRewriter:
    """Entry point `rules` of `rr_refine.rewriters`."""
    parse_options(_Options, options, "rewriter.rules")
    return RulesRewriter()
