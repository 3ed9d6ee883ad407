"""review: a human decides on the proposal. The interrupt is alone in its node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langgraph.types import interrupt

from rr_refine.agent.events import Reviewed
from rr_refine.agent.history import Proposal, Verdict
from rr_refine.agent.intent import find_spans
from rr_refine.agent.nodes.desk import Desk
from rr_refine.agent.review import (
    Edit,
    Keep,
    Pick,
    Quit,
    Reject,
    Reseed,
    ReviewRequest,
    read_decision,
)
from rr_refine.agent.state import history_of
from rr_refine.errors import ConfigError

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from rr_refine.agent.history import Candidate
    from rr_refine.agent.review import Decision
    from rr_refine.agent.state import RefineState, RunContext

__all__ = ["apply_decision", "review"]


async def review(state: RefineState, runtime: Runtime[RunContext]) -> RefineState:
    """Wait for a decision, write it to the journal, and apply it.

    LangGraph runs an interrupted node again from its start: nothing stands before the interrupt
    that could happen twice.
    """
    desk = Desk(state, runtime)
    history, proposal = history_of(state), state["proposal"]
    assert proposal is not None
    key = f"r{len(history.rounds)}.{len(history.rewrites)}"
    decided = desk.context.folder.journal.get("review", key)
    if decided is None:
        question = ReviewRequest(
            round=len(history.rounds),
            original=state["request"].prompt,
            proposal=proposal,
            incumbent=history.incumbent,
            candidates=history.candidates,
        )
        decision = read_decision(interrupt(question.model_dump(mode="json")))
        change = apply_decision(state, decision)
        desk.context.folder.journal.put("review", key, decision.model_dump(mode="json"))
        desk.emit(Reviewed(round=len(history.rounds), decision=decision))
        return change
    return apply_decision(state, read_decision(decided))


def apply_decision(state: RefineState, decision: Decision) -> RefineState:
    """What a decision changes in the state.

    Raises:
        ConfigError: the candidate to pick does not exist or has no image.
    """
    proposal = state["proposal"]
    assert proposal is not None
    change: RefineState = {}
    match decision:
        case Edit(prompt=prompt):
            change["proposal"] = Proposal(prompt=prompt, origin="human")
        case Reject(reason=reason):
            change["remarks"] = (*state["remarks"], reason)
            change["retry_rewrite"] = True
        case Keep(text=text):
            change["spans"] = (*find_spans("", [text]), *state["spans"])
            change["retry_rewrite"] = True
        case Pick(candidate=name):
            change["candidates"] = _picked(state, name)
            change["incumbent"] = name
            change["retry_rewrite"] = True
        case Reseed(seed=seed):
            change["seed"] = seed
        case Quit(reason=reason):
            change["user_stop"] = reason
            change["proposal"] = None
        case _:  # Accept
            change["proposal"] = proposal
    return change


def _picked(state: RefineState, name: str) -> tuple[Candidate, ...]:
    candidates = state["candidates"]
    if not any(c.id == name and c.image is not None for c in candidates):
        there = ", ".join(c.id for c in candidates if c.image is not None)
        raise ConfigError(f"candidate {name!r} cannot be picked; there are {there}")
    verdict = Verdict(
        accepted=True, rule="picked", reason="picked by the user", against=state["incumbent"]
    )
    return tuple(
        c.model_copy(update={"verdict": verdict}) if c.id == name else c for c in candidates
    )
