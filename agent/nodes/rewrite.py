"""rewrite: what the critic found becomes the next prompt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rr_refine.agent.budget import Spend
from rr_refine.agent.effects import EffectResult
from rr_refine.agent.events import RewriteRejected, Rewritten
from rr_refine.agent.history import Candidate, Proposal, Rejection, RewriteAttempt
from rr_refine.agent.nodes.context import NodeContext
from rr_refine.agent.rewriting.chain import choose
from rr_refine.agent.rewriting.rewriter import JudgedCandidate, RewriteContext, Rewriter, Rewrites
from rr_refine.agent.routing import RESEED, again, route
from rr_refine.agent.state import RefineState, RunContext, history_of

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

__all__ = ["rewrite"]

_CHANCES: Final = 2
"""Prompts of one rewriter that the generator may refuse in a round."""


async def rewrite(state: RefineState, runtime: Runtime[RunContext]) -> RefineState:
    """Ask the rewriters; the first proposal that keeps to the request is the next prompt."""
    node = NodeContext(state, runtime)
    policy, history = state["policy"], history_of(state)
    number = len(history.rounds)
    works: list[EffectResult[Rewrites]] = []
    declined = state.get("declined", ())
    refused = (*state["refused"], *(str(one.rejection.prompt) for one in declined))
    way, why = route(history)
    best, tried = history.incumbent, again(history)
    # What the user remarked, and what the generator refuses, asks for other words.
    other_words = tried and (tried.earlier or tried.prompt in refused or state["remarks"])
    if way == "reseed" and tried and not other_words:
        reseed = Proposal(prompt=tried.prompt, origin=RESEED, why=why)
        node.emit(Rewritten(round=number, proposal=reseed, previous=tried.prompt))
        return {
            "proposal": reseed,
            "rewrites": (*history.rewrites, RewriteAttempt(round=number, proposal=reseed)),
            "retry_rewrite": False,
            "spend": state["spend"] + node.spend(),
        }

    async def ask(rewriter: Rewriter) -> Rewrites:
        work = await node.effects.rewrite(
            rewriter, context, timeout=node.timeout(policy.critique_timeout)
        )
        works.append(work)
        node.tell(rewriter.identity.kind, work.value.usage.notices)
        return work.value

    fit = await node.fit(node.request.prompt)
    context = replace(_context(state, node), fit=fit)
    now = [one.rejection for one in declined if one.round == number]
    choice = await choose(
        # Two prompts of one rewriter were enough: the next one is asked.
        [r for r in node.context.job.rewriters if _count(now, r) < _CHANCES],
        context,
        ask,
        refused=refused,
        check=node.context.job.intent_check,
        fit=node.fit,
        may_repeat=policy.seeds == "on-repeat",
    )
    for rejection in choice.rejections:
        node.emit(RewriteRejected(round=number, rejection=rejection))
    proposal, rejections = choice.proposal, (*now, *choice.rejections)
    failed = bool(rejections) and all(one.failed for one in rejections)
    wanted = best if history.looks_for_another and not failed else None
    if proposal is None and wanted and wanted.prompt not in refused:
        why = "you want another picture, and nobody has another prompt: it gets another seed"
        proposal = Proposal(prompt=wanted.prompt, origin=RESEED, why=why)
    if proposal is not None:
        previous = best.prompt if best else node.request.prompt
        node.emit(Rewritten(round=number, proposal=proposal, previous=previous))
    attempt = RewriteAttempt(round=number, proposal=proposal, rejections=rejections)
    if proposal is None and not history.candidates:  # blind, before the first render
        proposal = Proposal(prompt=node.request.prompt, origin="request")
    return {
        "proposal": proposal,
        "rewrites": (*history.rewrites, attempt),
        "retry_rewrite": False,
        "spend": state["spend"] + node.spend(works) + Spend.of_rewriter(choice.usage),
    }


def _count(rejections: Iterable[Rejection], rewriter: Rewriter) -> int:
    return sum(one.rewriter == rewriter.identity.kind for one in rejections)


def _context(state: RefineState, node: NodeContext) -> RewriteContext:
    history, context = history_of(state), node.context
    incumbent = history.incumbent
    others = [  # what was said of another revision asks for what may no longer be asked for
        c
        for c in reversed(history.candidates)
        if incumbent and c.id != incumbent.id and c.revision == history.revision
    ]
    declined = (str(one.rejection.prompt) for one in state.get("declined", ()))
    tried = tuple(dict.fromkeys((*(c.prompt for c in history.candidates), *declined)))
    return RewriteContext(
        request=node.request,
        spans=state["spans"],
        incumbent=_judged(context, incumbent),
        others=tuple(j for c in others if (j := _judged(context, c)) is not None),
        tried=tried,
        remarks=state["remarks"],
        target=state["policy"].target or 4.0,
    )


def _judged(context: RunContext, candidate: Candidate | None) -> JudgedCandidate | None:
    if candidate is None or candidate.critique is None:
        return None
    return JudgedCandidate(candidate, context.assessment(candidate.critique))
