"""Bring your own rewriter, and check it with the contract tests that ours pass.

python examples/own_rewriter.py
pytest examples/own_rewriter.py
"""

from __future__ import annotations

from rr_refine import refine
from rr_refine.agent.rewriting.contract import RewriterContract
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewrites
from rr_refine.terms import Identity

LIGHTS = ("in soft morning light", "in the light of a lamp", "under a grey sky")


class LightRewriter:
    """Asks for another light each time; what the request says stays as it is."""

    identity = Identity(kind="example", name="light")

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        prompts = (f"{context.request.prompt}, {light}" for light in LIGHTS)
        new = (prompt for prompt in prompts if prompt not in context.tried)
        return Rewrites(proposals=tuple(Rewrite(prompt=p, why="another light") for p in new))


class TestLight(RewriterContract):
    """All promises of a rewriter, checked by pytest."""

    def make_rewriter(self) -> LightRewriter:
        return LightRewriter()


if __name__ == "__main__":
    policy = {"preset": "refine", "target": None, "budget": {"rounds": 3}}
    run = refine(
        "a teapot", generator="fake", critic="fake", rewriters=LightRewriter(), policy=policy
    )
    print([candidate.prompt for candidate in run.candidates])
