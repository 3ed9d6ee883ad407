"""The critic's own refined request: no second model, the paper's way (section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from rr_refine.agent.rewriting.rewriter import (
    JudgedCandidate,
    Rewrite,
    RewriteContext,
    Rewrites,
    join_clauses,
)
from rr_refine.agent.rewriting.spelling import lettering
from rr_refine.plugins import parse_options
from rr_refine.terms import Given, Identity

__all__ = ["CriticRewriter", "create"]


class CriticRewriter:
    """Proposes what the critic wrote under "Refined Request".

    The incumbent's critiques come first, then those of later tries that did not win: their
    requests answer the same original, having seen another picture. Those that the generator does
    not read to their end come last.

    A word that was measured to be wrong twice is spelled behind each; the same without it comes
    after, for those who have no use for letters.
    """

    identity = Identity(kind="critic", name="critic")

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        """See `Rewriter.rewrite`. Costs nothing: the requests are there already."""
        if context.incumbent is None:
            return Rewrites()
        judged = [context.incumbent, *context.others]
        spelled = [*context.remarks, *lettering(context, least=2)]
        proposals = [
            proposal
            for clauses in (spelled, context.remarks)
            for one in judged
            for proposal in _proposals(one, clauses)
        ]
        proposals.sort(key=lambda one: not context.is_read(one.prompt))
        return Rewrites(proposals=tuple(dict.fromkeys(proposals)))


def _proposals(judged: JudgedCandidate, clauses: Sequence[str]) -> list[Rewrite]:
    # The critic wrote before the user spoke, and before a second miss: it can only honour a remark
    # by having it added.
    return [
        Rewrite(
            prompt=join_clauses(critique.refined_request, clauses),
            why=critique.refinement_comments or "",
        )
        for critique in judged.assessment.critiques
        if critique.refined_request
    ]


class _Options(Given):
    """The critic rewriter has no options."""


def create(**options: JsonValue) -> CriticRewriter:
    """Entry point `critic` of `rr_refine.rewriters`."""
    parse_options(_Options, options, "rewriter.critic")
    return CriticRewriter()
