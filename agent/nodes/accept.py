"""accept: weigh the round's candidates against the incumbent, and keep the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pydantic import JsonValue

from rr_refine.agent.acceptance import NearTie, weigh_round
from rr_refine.agent.budget import Spend, left
from rr_refine.agent.events import Compared, Decided
from rr_refine.agent.history import Candidate, failure_words
from rr_refine.agent.nodes.context import NodeContext
from rr_refine.agent.revision import request_at
from rr_refine.agent.state import RefineState, RunContext, history_of
from rr_refine.agent.store.journal import round_item
from rr_refine.errors import CriticError, OverBudgetError
from rr_refine.reward.comparison import Comparison, Winner
from rr_refine.reward.critic import can_compare
from rr_refine.threads import in_thread

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

__all__ = ["accept", "keep"]

_ORDERS: Final = 2  # a comparison asks in both orders
_NAMES: Final[dict[Winner, Literal["incumbent", "challenger", "tie"]]] = {
    "a": "incumbent",
    "b": "challenger",
    "tie": "tie",
}


async def accept(state: RefineState, runtime: Runtime[RunContext]) -> RefineState:
    """Give every candidate of the last round its verdict; write the round to the journal."""
    node = NodeContext(state, runtime)
    history, spend = history_of(state), state["spend"]
    challengers = history.rounds[-1]
    before = history.candidates[: -len(challengers)]
    settled: dict[tuple[str, str], Comparison | str] = {}
    while isinstance(
        weighed := weigh_round(challengers, before, history.incumbent, state["policy"], settled),
        NearTie,
    ):
        settled[weighed.pair], cost = await _compare(node, state, spend, weighed)
        spend += cost
    for candidate in weighed.candidates:
        assert candidate.verdict is not None
        node.emit(Decided(candidate=candidate.id, verdict=candidate.verdict))
    after = (*before, *sorted(weighed.candidates, key=lambda c: c.index))
    await in_thread(keep, node, state, after, weighed.incumbent)
    return {
        "candidates": after,
        "incumbent": None if weighed.incumbent is None else weighed.incumbent.id,
        "spend": spend + node.spend(),
    }


async def _compare(
    node: NodeContext, state: RefineState, spend: Spend, tie: NearTie
) -> tuple[Comparison | str, Spend]:
    """Compare a near tie side by side, or say why not."""
    policy, critic = state["policy"], node.context.job.critic
    if not can_compare(critic):
        return "the critic cannot compare", Spend()
    if left(policy.budget.critic_calls, spend.critic_calls) < _ORDERS:
        return "no critic call was left to compare them", Spend()
    incumbent, challenger = tie.incumbent, tie.challenger
    assert incumbent.image is not None
    assert challenger.image is not None
    try:
        work = await node.effects.compare(
            critic,
            incumbent.image,
            challenger.image,
            timeout=node.timeout(policy.critique_timeout),
        )
    except (CriticError, OverBudgetError) as error:
        failure = node.failure("compare", error)
        message = failure_words(failure.error, failure.message)
        node.emit(
            Compared(
                incumbent=incumbent.id, challenger=challenger.id, winner="failed", message=message
            )
        )
        return f"the comparison failed ({message})", Spend.of_failure(error, calls=_ORDERS)
    node.tell("critic", work.value.usage.notices)
    node.emit(
        Compared(
            incumbent=incumbent.id,
            challenger=challenger.id,
            winner=_NAMES[work.value.winner],
        )
    )
    return work.value, Spend.of_critic(work.value.usage)


def keep(
    node: NodeContext,
    state: RefineState,
    candidates: tuple[Candidate, ...],
    incumbent: Candidate | None,
) -> None:
    """Put the last round on disk: the stories in the pictures, the journal's line, the result.

    Once more after a decision that changed the best picture or what the request is.

    Args:
        candidates: all so far.
        incumbent: the best of them.
    """
    folder = node.context.folder
    best = incumbent or next((c for c in candidates if c.image is not None), None)
    png: bytes | None = None
    key, item = round_item(folder.journal, candidates, incumbent, state.get("revisions", ()))
    if folder.journal.get("round", key) != item:  # else it is a finished run, gone over again
        for candidate in candidates:
            judged_again = candidate == incumbent and candidate.earlier
            is_new = candidate.round == candidates[-1].round or judged_again
            if is_new and candidate.image is not None:
                told = folder.write_metadata(candidate.image, _metadata(node, state, candidate))
                if best is not None and candidate.image == best.image:
                    png = told
        folder.journal.put("round", key, item)
    if best is not None and best.image is not None:
        folder.publish(best.image, png)


def _metadata(node: NodeContext, state: RefineState, candidate: Candidate) -> dict[str, JsonValue]:
    verdict = candidate.verdict
    return {
        "prompt": candidate.prompt,
        "request": request_at(
            state["request"], state.get("revisions", ()), candidate.revision
        ).prompt,
        "revision": candidate.revision,
        "seed": candidate.seed,
        "model": node.context.job.generator.identity.name,
        "critic": node.context.job.critic.identity.name,
        "scores": {str(d): s for d, s in (candidate.scores or {}).items()},
        "round": candidate.round,
        "candidate": candidate.id,
        "accepted": verdict.accepted if verdict else None,
        "reason": verdict.reason if verdict else None,
        "run": node.context.run_id,
    }
