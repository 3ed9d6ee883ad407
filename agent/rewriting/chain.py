"""The chain of rewriters: the first proposal that keeps to the request is the next prompt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from rr_refine.agent.history import Proposal, Rejection
from rr_refine.agent.intent import problems
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewriter, Rewrites
from rr_refine.errors import RewriteError
from rr_refine.terms import Usage

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
    *,
    may_repeat: bool = False,
) -> Choice:
    """Ask one rewriter after the other until a proposal passes the intent check.

    Args:
        ask: calls a rewriter (the loop does it through its journal).
        refused: proposals that a human rejected; they count as tried.
        may_repeat: a rewriter that has nothing new may have an earlier prompt once more.
    """
    choice = Choice()
    problems_of = partial(
        problems,
        spans=context.spans,
        avoid=context.request.avoid,
        original=context.request.prompt,
    )
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
        again: Rewrite | None = None
        for rewrite in rewrites.proposals:
            found = problems_of(rewrite.prompt, tried=(*context.tried, *refused))
            if not found:
                choice.proposal = Proposal(prompt=rewrite.prompt, origin=name, why=rewrite.why)
                return choice
            if may_repeat and not problems_of(rewrite.prompt, tried=refused):
                again = again or rewrite
                continue
            choice.rejections.append(
                Rejection(rewriter=name, prompt=rewrite.prompt, reason="; ".join(found))
            )
        if again is not None:
            choice.proposal = Proposal(prompt=again.prompt, origin=name, why=again.why)
            return choice
    return choice
