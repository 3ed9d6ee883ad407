"""accept: weigh the round's candidates against the incumbent, and keep the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rr_refine.agent.acceptance import floor_of, near_tie, settle, weigh
from rr_refine.agent.budget import Spend, left
from rr_refine.agent.events import Compared, Decided
from rr_refine.agent.nodes.desk import Desk
from rr_refine.agent.state import history_of
from rr_refine.errors import CriticError
from rr_refine.reward.critic import PairwiseCritic

if TYPE_CHECKING:
    from langgraph.runtime import Runtime
    from pydantic import JsonValue

    from rr_refine.agent.history import Candidate, Verdict
    from rr_refine.agent.state import RefineState, RunContext

__all__ = ["accept", "weighing_order"]

_ORDERS = 2  # a comparison asks in both orders


async def accept(state: RefineState, runtime: Runtime[RunContext]) -> RefineState:
    """Give every candidate of the last round its verdict; write the round to the journal."""
    desk = Desk(state, runtime)
    history = history_of(state)
    incumbent, spend = history.incumbent, state["spend"]
    candidates = {c.id: c for c in state["candidates"]}
    for candidate in weighing_order(history.rounds[-1]):
        floor = floor_of(incumbent, list(candidates.values()))
        verdict = weigh(candidate, incumbent, floor, state["policy"])
        if near_tie(verdict) and incumbent is not None:
            verdict, cost = await _settle(desk, state, spend, verdict, incumbent, candidate)
            spend += cost
        desk.emit(Decided(candidate=candidate.id, verdict=verdict))
        candidates[candidate.id] = candidate.model_copy(update={"verdict": verdict})
        if verdict.accepted:
            incumbent = candidates[candidate.id]
    after = tuple(candidates.values())
    _keep(desk, state, after, incumbent)
    return {
        "candidates": after,
        "incumbent": None if incumbent is None else incumbent.id,
        "spend": spend + desk.spend(),
    }


def weighing_order(candidates: tuple[Candidate, ...]) -> list[Candidate]:
    """Candidate 0 of round 0 first, since it is what one shot gives; then by mean, best first."""
    return sorted(
        candidates,
        key=lambda c: (c.id != "r0c0", -(c.mean if c.mean is not None else 0.0), c.index),
    )


async def _settle(
    desk: Desk,
    state: RefineState,
    spend: Spend,
    verdict: Verdict,
    incumbent: Candidate,
    challenger: Candidate,
) -> tuple[Verdict, Spend]:
    """Settle a near tie side by side, where the policy, the critic and the budget allow it."""
    policy, critic = state["policy"], desk.context.critic
    affordable = left(policy.budget.critic_calls, spend.critic_calls) >= _ORDERS
    if not (policy.pairwise and isinstance(critic, PairwiseCritic) and affordable):
        return verdict, Spend()
    assert incumbent.image is not None and challenger.image is not None
    try:
        work = await desk.effects.compare(
            critic,
            incumbent.image,
            challenger.image,
            timeout=desk.timeout(policy.critique_timeout),
        )
    except CriticError as error:
        failure = desk.failure("compare", error)
        message = f"{failure.error}: {failure.message}"
        desk.emit(
            Compared(
                incumbent=incumbent.id, challenger=challenger.id, winner="failed", message=message
            )
        )
        reason = f"{verdict.reason}; the comparison failed ({failure.error})"
        return verdict.model_copy(update={"reason": reason}), Spend(critic_calls=_ORDERS)
    names = {"a": "incumbent", "b": "challenger", "tie": "tie"}
    desk.emit(
        Compared.model_validate(
            {
                "incumbent": incumbent.id,
                "challenger": challenger.id,
                "winner": names[work.value.winner],
            }
        )
    )
    return settle(verdict, work.value), Spend.of_critic(work.value.usage)


def _keep(
    desk: Desk,
    state: RefineState,
    candidates: tuple[Candidate, ...],
    incumbent: Candidate | None,
) -> None:
    """Put the round on disk: the stories in the pictures, the journal's line, the result."""
    folder = desk.context.folder
    last = candidates[-1].round
    key = f"r{last}"
    record: dict[str, JsonValue] = {
        "incumbent": None if incumbent is None else incumbent.id,
        "candidates": [c.model_dump(mode="json") for c in candidates if c.round == last],
    }
    if folder.journal.get("round", key) != record:  # else it is a finished run, gone over again
        for candidate in candidates:
            if candidate.round == last and candidate.image is not None:
                folder.tell_story(candidate.image, _story(desk, state, candidate))
        folder.journal.put("round", key, record)
    best = incumbent or next((c for c in candidates if c.image is not None), None)
    if best is not None and best.image is not None:
        folder.publish(best.image)


def _story(desk: Desk, state: RefineState, candidate: Candidate) -> dict[str, JsonValue]:
    verdict = candidate.verdict
    return {
        "prompt": candidate.prompt,
        "request": state["request"].prompt,
        "seed": candidate.seed,
        "model": desk.context.generator.identity.name,
        "critic": desk.context.critic.identity.name,
        "scores": {str(d): s for d, s in (candidate.scores or {}).items()},
        "round": candidate.round,
        "candidate": candidate.id,
        "accepted": verdict.accepted if verdict else None,
        "reason": verdict.reason if verdict else None,
        "run": desk.context.folder.path.name,
    }
