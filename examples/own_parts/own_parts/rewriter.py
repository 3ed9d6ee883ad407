"""A rewriter: it asks for more of the colours that the request names."""

from __future__ import annotations

from own_parts.critic import asked_tones
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewrites
from rr_refine.terms import Identity

__all__ = ["TonesRewriter"]


class TonesRewriter:
    """Adds one clause for each colour word of the request."""

    identity = Identity(kind="own-tones", name="own-tones", details={"version": 1})

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        """See `rr_refine.Rewriter`. Nothing is proposed where no colour is named."""
        prompt = context.request.prompt
        more = [f"{prompt}, bathed in {tone} light" for tone in asked_tones(prompt)]
        return Rewrites(proposals=tuple(Rewrite(prompt=each, why="more colour") for each in more))
