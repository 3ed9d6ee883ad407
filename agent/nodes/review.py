"""review: a human decides on the proposal. The interrupt is alone in its node."""

from __future__ import annotations

import asyncio

from langgraph.errors import GraphInterrupt
from langgraph.runtime import Runtime
from langgraph.types import interrupt
from pydantic import ValidationError

from rr_refine.agent.events import Reviewed, ReviewRequested
from rr_refine.agent.history import Candidate, Proposal, Verdict
from rr_refine.agent.intent import find_spans
from rr_refine.agent.nodes.accept import keep
from rr_refine.agent.nodes.context import NodeContext
from rr_refine.agent.review import (
    Decision,
    EditPrompt,
    Keep,
    Pick,
    Quit,
    Reject,
    Reseed,
    ReviewRequest,
    read_decision,
    recorded_decision,
    require_possible,
)
from rr_refine.agent.state import RefineState, RunContext, history_of
from rr_refine.digest import digest
from rr_refine.errors import ConfigError

__all__ = ["apply_decision", "review"]


async def review(state: RefineState, runtime: Runtime[RunContext]) -> RefineState:
    """Wait for a decision, write it to the journal, and apply it.

    LangGraph runs an interrupted node again from its start: nothing stands before the interrupt
    that could happen twice.
    """
    node = NodeContext(state, runtime)
    history, proposal = history_of(state), state["proposal"]
    assert proposal is not None
    # With the proposal: a decision is about the prompt that the human saw, and about no other.
    seen = digest({"proposal": proposal.prompt})[:8]
    key = f"r{len(history.rounds)}.{len(history.rewrites)}-{seen}"
    decided = node.context.folder.journal.get("review", key)
    if decided is None:
        question = ReviewRequest(
            round=len(history.rounds),
            original=state["request"].prompt,
            revisions=state.get("revisions", ()),
            proposal=proposal,
            incumbent=history.incumbent,
            candidates=history.candidates,
        )
        decision = _ask(node, question)
        change = apply_decision(state, decision)
        node.context.folder.journal.put("review", key, decision.model_dump(mode="json"))
    else:
        decision = recorded_decision(decided)
        change = apply_decision(state, decision)
    node.emit(Reviewed(round=len(history.rounds), decision=decision))
    if "incumbent" in change:
        candidates = change["candidates"]
        picked = next(c for c in candidates if c.id == change["incumbent"])
        await asyncio.to_thread(keep, node, state, candidates, picked)
    return change


def _ask(node: NodeContext, question: ReviewRequest) -> Decision:
    """Interrupt until there is a decision that can be carried out.

    LangGraph keeps an answer for good: if a wrong one were an error, it would be one for ever.
    """
    context = node.context
    while True:
        try:
            answer = interrupt(question.model_dump(mode="json"))
        except GraphInterrupt:  # there is no answer yet
            node.emit(ReviewRequested(request=question))
            context.question, context.status = question, "waiting"
            raise
        context.question, context.status = None, "interrupted"
        try:
            decision = read_decision(answer)
            require_possible(question, decision)
        except (ValidationError, ConfigError) as error:
            question = question.model_copy(update={"problem": str(error)})
        else:
            return decision


def apply_decision(state: RefineState, decision: Decision) -> RefineState:
    """What a decision changes in the state. It must be possible, see `require_possible`."""
    proposal = state["proposal"]
    assert proposal is not None
    change: RefineState = {}
    match decision:
        case EditPrompt(prompt=prompt):
            change["proposal"] = Proposal(prompt=prompt, origin="human")
        case Reject(reason=reason, revises=revises):
            said = [one.remark for one in state.get("revisions", ())[-1:]]
            if revises and reason.strip() and reason not in said:
                change["remark"] = reason
            else:  # nothing new about what is asked for: another prompt all the same
                change["remarks"] = (*state["remarks"], reason)
            change["refused"] = (*state["refused"], proposal.prompt)
            change["retry_rewrite"] = True
        case Keep(text=text):
            change["spans"] = (*find_spans("", [text]), *state["spans"])
            # A rewriter that did not think of the words must be told: else none passes the check.
            change["remarks"] = (*state["remarks"], text)
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
    verdict = Verdict(
        accepted=True, rule="picked", reason="picked by the user", against=state["incumbent"]
    )
    return tuple(
        c.model_copy(update={"verdict": verdict}) if c.id == name else c
        for c in state["candidates"]
    )
