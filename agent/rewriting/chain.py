"""The chain of rewriters: the first proposal that keeps to the request is the next prompt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from rr_refine.agent.history import Proposal, Rejection
from rr_refine.agent.intent import IntentCheck, lost_spans, problems
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewriter, Rewrites
from rr_refine.boundary import boundary, trace_of
from rr_refine.component import texts
from rr_refine.errors import NoPromptError, RefineError, RewriteError
from rr_refine.generators.prompt_fit import PromptFit
from rr_refine.request import MAX_PROMPT, Request
from rr_refine.reward.proposal import no_prompt
from rr_refine.terms import Usage

__all__ = ["ChainResult", "choose"]


@dataclass(slots=True)
class ChainResult:
    """What came out of the chain."""

    proposal: Proposal | None = None
    rejections: list[Rejection] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)


async def _unknown(prompt: str) -> None:
    """Where nobody can tell how the generator takes a prompt."""


async def choose(
    rewriters: Sequence[Rewriter],
    context: RewriteContext,
    ask: Callable[[Rewriter], Awaitable[Rewrites]],
    refused: Sequence[str] = (),
    *,
    check: IntentCheck | None = None,
    fit: Callable[[str], Awaitable[PromptFit | None]] = _unknown,
    may_repeat: bool = False,
) -> ChainResult:
    """Ask one rewriter after the other until a proposal keeps to the request.

    Args:
        ask: calls a rewriter (the loop does it through its journal).
        refused: proposals that a human rejected; they count as tried.
        check: has a say on each proposal that is otherwise fine.
        fit: tells how the generator takes a prompt.
        may_repeat: a rewriter that has nothing new may have an earlier prompt once more.
    """
    choice = ChainResult()

    async def problems_of(prompt: str, tried: Sequence[str]) -> list[str]:
        request = context.request
        if len(prompt) > MAX_PROMPT:
            return [f"it has {len(prompt):,} characters; {MAX_PROMPT:,} are the most"]
        found = problems(
            prompt, context.spans, avoid=request.avoid, original=request.prompt, tried=tried
        )
        if (reason := no_prompt(prompt)) and no_prompt(request.prompt) is None:
            return [reason]
        found = found or _objections(check, request, prompt)
        taken = None if found else await fit(prompt)
        if taken is None:
            return found
        earlier = [await fit(one) for one in tried] if taken.reads else []
        if any(one and one.reads == taken.reads for one in earlier):
            found.append(f"the generator reads {taken} of it, all of it in an earlier prompt")
        for span in lost_spans(taken.read_part(prompt), context.spans) if taken.cut else ():
            found.append(f"the generator reads {taken} of it, not the {span.kind} {span.text!r}")
        return found

    for rewriter in rewriters:
        name = rewriter.identity.kind
        try:
            rewrites = await ask(rewriter)
        except RewriteError as error:
            choice.rejections.append(
                Rejection(
                    rewriter=name,
                    prompt=None,
                    reason=str(error),
                    failed=not isinstance(error, NoPromptError),
                    trace=trace_of(error),
                )
            )
            choice.usage += error.usage or Usage()
            continue
        choice.usage += rewrites.usage
        if not rewrites.proposals:
            choice.rejections.append(
                Rejection(rewriter=name, prompt=None, reason="it proposed nothing")
            )
        again: Rewrite | None = None
        for rewrite in rewrites.proposals:
            found = await problems_of(rewrite.prompt, tried=(*context.tried, *refused))
            if not found:
                choice.proposal = Proposal(prompt=rewrite.prompt, origin=name, why=rewrite.why)
                return choice
            if may_repeat and not await problems_of(rewrite.prompt, tried=refused):
                again = again or rewrite
                continue
            choice.rejections.append(
                Rejection(
                    rewriter=name, prompt=rewrite.prompt[:MAX_PROMPT], reason="; ".join(found)
                )
            )
        if again is not None:
            choice.proposal = Proposal(prompt=again.prompt, origin=name, why=again.why)
            return choice
    return choice


def _objections(check: IntentCheck | None, request: Request, prompt: str) -> list[str]:
    """What the check says. One that fails objects: nothing goes through unchecked."""
    if check is None:
        return []
    what = f"the intent check {check.identity.name!r}"
    try:
        with boundary(RewriteError, what):
            given = check.problems(request, prompt)
            return list(texts(f"{what}: problems(request, prompt)", given))
    except RefineError as error:
        return [str(error)]
