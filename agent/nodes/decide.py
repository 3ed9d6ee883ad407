"""decide: stop, or go on."""

from __future__ import annotations

from rr_refine.agent.state import RefineState, history_of
from rr_refine.agent.stopping import should_stop

__all__ = ["decide"]


async def decide(state: RefineState) -> RefineState:
    """Check the stopping rules in their order; the one that fires is the run's stop."""
    return {"stop": should_stop(history_of(state))}
