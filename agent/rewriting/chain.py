"""The chain of rewriters: the first proposal that keeps to the request is the next prompt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rr_refine.agent.history import Proposal, Rejection
from rr_refine.agent.intent import problems
from rr_refine.errors import RewriteError
from rr_refine.terms import Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rr_refine.agent.rewriting.rewriter import RewriteContext, Rewriter, Rewrites

__all__ = ["Choice", "choose"]


@dataclass(slots=True)
class Choice:
    """What came out of the chain."""

    proposal: Proposal | None = None
    rejections: list[Rejection] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)


async def choose(
    rewriters: Sequence[Rewriter],
    context: RewriteContext,
    ask: Callable[[Rewriter], Awaitable[Rewrites]],
    refused: Sequence[str] = (),
) -> Choice:
    """Ask one rewriter after the other until a proposal passes the intent check.

    Args:
        ask: calls a rewriter (the loop does it through its journal).
        refused: proposals that a human rejected; they count as tried.
    """
    choice = Choice()
    for rewriter in rewriters:
        name = rewriter.identity.kind
        try:
            rewrites = await ask(rewriter)
        except RewriteError as error:
            choice.rejections.append(Rejection(rewriter=name, prompt=None, reason=str(error)))
            continue
        choice.usage += rewrites.usage
        if not rewrites.proposals:
            choice.rejections.append(
                Rejection(rewriter=name, prompt=None, reason="it proposed nothing")
            )
        for rewrite in rewrites.proposals:
            found = problems(
                rewrite.prompt,
                context.spans,
                avoid=context.request.avoid,
                original=context.request.prompt,
                tried=(*context.tried, *refused),
            )
            if not found:
                choice.proposal = Proposal(prompt=rewrite.prompt, origin=name, why=rewrite.why)
                return choice
            choice.rejections.append(
                Rejection(rewriter=name, prompt=rewrite.prompt, reason="; ".join(found))
            )
    return choice
