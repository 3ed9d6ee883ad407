"""review: a human decides on the proposal. The interrupt is alone in its node."""

from __future__ import annotations

from langgraph.errors import GraphInterrupt
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from rr_refine.agent.budget import Spend, left, limits_in_words
from rr_refine.agent.ending import ending_key, extension_of, with_budget
from rr_refine.agent.events import Reviewed, ReviewRequested
from rr_refine.agent.history import Candidate, Proposal, Stop, Verdict
from rr_refine.agent.intent import find_spans
from rr_refine.agent.nodes.accept import keep
from rr_refine.agent.nodes.context import NodeContext
from rr_refine.agent.review import (
    Accept,
    Decision,
    EditPrompt,
    GoOn,
    Keep,
    Pick,
    Quit,
    Reject,
    Reseed,
    ReviewRequest,
    read_decision,
    recorded_decision,
)
from rr_refine.agent.revision import number_of
from rr_refine.agent.state import RefineState, RunContext, history_of
from rr_refine.digest import digest
from rr_refine.errors import ConfigError
from rr_refine.threads import in_thread

__all__ = ["apply_decision", "is_spoken_of", "review"]


async def review(state: RefineState, runtime: Runtime[RunContext]) -> RefineState:
    """Wait for a decision, write it to the journal, and apply it. It is about the next prompt, or
    about the end of the run.

    LangGraph runs an interrupted node again from its start: nothing stands before the interrupt
    that could happen twice.
    """
    node = NodeContext(state, runtime)
    history, stop = history_of(state), state.get("stop")
    if stop is None:
        proposal = state["proposal"]
        assert proposal is not None
        # With the proposal: a decision is about the prompt that the human saw, and about no other.
        seen = digest({"proposal": proposal.prompt})[:8]
        key = f"r{len(history.rounds)}.{len(history.rewrites)}-{seen}"
    else:
        proposal, key = _proposal_at_end(state), _ending_key(state)
    decided = node.context.folder.journal.get("review", key)
    fresh = decided is None
    if fresh:
        question = ReviewRequest(
            round=len(history.rounds),
            original=state["request"].prompt,
            revisions=state.get("revisions", ()),
            proposal=proposal,
            incumbent=history.incumbent,
            candidates=history.candidates,
            stop=stop,
        )
        decision = _ask(node, state, question)
        change = apply_decision(state, decision)
        decided = decision.model_dump(mode="json")
        await in_thread(node.context.folder.journal.put, "review", key, decided)
    else:
        decision = recorded_decision(decided)
        change = apply_decision(state, decision)
    node.emit(Reviewed(round=len(history.rounds), decision=decision), fresh=fresh)
    if (more := change.get("extension")) and (limits := limits_in_words(more.budget)):
        node.tell(
            "limits", [f"from round {more.rounds + 1} on it may use another {limits} at most"]
        )
    if "incumbent" in change:
        candidates = change["candidates"]
        picked = next(c for c in candidates if c.id == change["incumbent"])
        await in_thread(keep, node, state, candidates, picked)
    return change


def is_spoken_of(state: RefineState, context: RunContext) -> bool:
    """Whether something was said about the end that the run has come to, and stands in its journal.

    It was said in an earlier session, or after the run had ended.
    """
    return context.folder.journal.get("review", _ending_key(state)) is not None


def _ending_key(state: RefineState) -> str:
    return ending_key(len(history_of(state).rounds), state.get("answered", ()))


def _proposal_at_end(state: RefineState) -> Proposal:
    """The prompt of the best picture, as one that a human writes: it is rendered as it is."""
    history = history_of(state)
    best = history.incumbent or history.candidates[-1]
    return Proposal(prompt=best.prompt, origin="human")


def _ask(node: NodeContext, state: RefineState, question: ReviewRequest) -> Decision:
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
            decision = read_decision(answer, question)
            if context.most_images is not None:
                _require_few(state, decision, context.most_images)
            return decision
        except ConfigError as error:
            problem = str(error)
        question = question.model_copy(update={"problem": problem})


def _require_few(state: RefineState, decision: Decision, most: int) -> None:
    """See that a run does not go on for more pictures than it may have.

    Raises:
        ConfigError: it could; says how many are left.
    """
    if state.get("stop") is None or isinstance(decision, Accept | Quit | Pick):
        return
    policy, spend = _at_end(state, decision)["policy"], state.get("spend", Spend())
    rounds = policy.budget.rounds - len(history_of(state).rounds)
    images = left(policy.budget.images, spend.images)
    asked, free = min(rounds * policy.candidates, images), max(0, most - spend.images)
    if asked > free:
        raise ConfigError(
            f"to go on for {rounds} rounds can make {asked} pictures, and {free} are left of the "
            f"{most} that this run may have: go on for fewer rounds, or accept"
        )


def apply_decision(state: RefineState, decision: Decision) -> RefineState:
    """What a decision changes in the state. It must be possible, see `require_possible`."""
    if state.get("stop") is not None:
        return _at_end(state, decision)
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


def _at_end(state: RefineState, decision: Decision) -> RefineState:
    """What a decision about the end of the run changes: it ends, with this or another picture, or
    goes on.
    """
    history = history_of(state)
    change: RefineState = {"answered": (*state.get("answered", ()), len(history.rounds))}
    match decision:
        case Accept() | Quit():
            return change
        case Pick(candidate=name):
            stop = Stop(rule="user", reason=f"the user took {name}")
            return change | {
                "candidates": _picked(state, name),
                "incumbent": name,
                "stop": stop,
            }
        case GoOn(candidate=str(name)) if name != state["incumbent"]:
            change |= {"candidates": _picked(state, name), "incumbent": name}
    rounds = decision.rounds if isinstance(decision, GoOn) else None
    extension = extension_of(
        state["policy"],
        history.extension,
        len(history.rounds),
        number_of(state.get("revisions", ())),
        rounds,
    )
    change |= {
        "stop": None,
        "user_stop": None,
        "extension": extension,
        "policy": with_budget(state["policy"], extension, state["spend"]),
    }
    now: RefineState = {**state, **change}
    now["proposal"] = _proposal_at_end(now)
    if not isinstance(decision, GoOn):
        return change | {"proposal": now["proposal"]} | apply_decision(now, decision)
    if decision.remark.strip():
        return change | apply_decision(now, Reject(reason=decision.remark))
    return change | {"retry_rewrite": True}


def _picked(state: RefineState, name: str) -> tuple[Candidate, ...]:
    verdict = Verdict(
        accepted=True, rule="picked", reason="picked by the user", against=state["incumbent"]
    )
    return tuple(
        c.model_copy(update={"verdict": verdict}) if c.id == name else c
        for c in state["candidates"]
    )
