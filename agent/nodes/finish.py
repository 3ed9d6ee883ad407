"""finish: the incumbent is the result; say so, in the stream and on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rr_refine.agent.events import RunFinished
from rr_refine.agent.nodes.context import NodeContext
from rr_refine.agent.state import Outcome, RefineState, RunContext, history_of
from rr_refine.threads import in_thread

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

__all__ = ["finish"]


async def finish(state: RefineState, runtime: Runtime[RunContext]) -> RefineState:
    """Close the record."""
    node = NodeContext(state, runtime)
    history, stop = history_of(state), state["stop"]
    assert stop is not None
    best = history.incumbent or next((c for c in history.candidates if c.image), None)
    outcome = Outcome(
        stop=stop,
        best=best,
        first=history.candidates[0],
        candidates=history.candidates,
        # What an earlier course of the run has cost is paid, too.
        spend=state["spend"].model_copy(update={"cost": node.context.ledger.total}),
        revisions=state.get("revisions", ()),
    )
    folder = node.context.folder

    def keep() -> Path | None:
        result = folder.publish(best.image) if best is not None and best.image else None
        folder.journal.put("outcome", "outcome", outcome.model_dump(mode="json"))
        return result

    result = await in_thread(keep)
    node.emit(
        RunFinished(
            run=str(folder.path),
            stop=stop,
            best=best,
            first=outcome.first,
            result=None if result is None else str(result),
            spend=outcome.spend,
            revisions=outcome.revisions,
        )
    )
    if node.context.work is not None:
        node.context.work.tell(
            stop=stop.rule,
            images=state["spend"].images,
            critic_calls=state["spend"].critic_calls,
            tokens=state["spend"].tokens,
        )
    await folder.flushed()
    node.context.status = "done" if outcome.ok else "failed"  # what failed may work the next time
    return {"outcome": outcome}
