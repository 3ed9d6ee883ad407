"""revise: a remark becomes a part of the request, and the best picture is judged again by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rr_refine.agent.budget import Spend, exhausted
from rr_refine.agent.events import Revised
from rr_refine.agent.nodes.accept import keep
from rr_refine.agent.nodes.context import NodeContext
from rr_refine.agent.nodes.critique import judge, limits_of
from rr_refine.agent.revision import Revision, number_of, spans_of
from rr_refine.agent.state import RefineState, RunContext, history_of
from rr_refine.threads import in_thread

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

__all__ = ["revise"]


async def revise(state: RefineState, runtime: Runtime[RunContext]) -> RefineState:
    """Make a remark a part of the request; have the incumbent judged by the request as it is now.

    A judgement that fails, or that the budget does not allow, leaves the incumbent what it is,
    without scores.
    """
    change: RefineState = {"remark": None}
    if (remark := state.get("remark")) is not None:
        change |= await _revised(NodeContext(state, runtime), state, remark)
    now: RefineState = {**state, **change}
    node, best = NodeContext(now, runtime), history_of(now).incumbent
    number, spent = number_of(now.get("revisions", ())), now["spend"]
    if best is not None and best.image is not None and best.revision != number:
        best, cost, work = await judge(node, now, best.under(number), spent)
        change["candidates"] = tuple(best if c.id == best.id else c for c in state["candidates"])
        change["spend"] = spent + cost + node.spend([] if work is None else [work])
    if "spend" in change:
        candidates = change.get("candidates", state["candidates"])
        await in_thread(keep, node, now, candidates, best)
    return change


async def _revised(node: NodeContext, state: RefineState, remark: str) -> RefineState:
    """The request with the remark in it."""
    history, revisions = history_of(state), state.get("revisions", ())
    over = exhausted(limits_of(state), state["spend"])
    work = await node.effects.merge(
        () if over else node.context.job.rewriters,
        remark,
        timeout=node.timeout(state["policy"].critique_timeout),
    )
    merged = work.value
    revision = Revision(
        number=number_of(revisions) + 1,
        prompt=merged.prompt,
        remark=remark,
        origin=merged.origin,
        round=len(history.rounds),
        incumbent=history.incumbent_id,
        unread=merged.unread,
        rejections=merged.rejections,
    )
    spans = spans_of(revision.prompt, state["spans"])
    node.emit(Revised(revision=revision, previous=node.request.prompt, spans=spans))
    return {
        "revisions": (*revisions, revision),
        "spans": spans,
        "spend": state["spend"] + node.spend([work]) + Spend.of_rewriter(merged.usage),
    }
