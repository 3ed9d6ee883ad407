"""generate: render the candidates of one round, all at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rr_refine.agent.budget import Spend, left
from rr_refine.agent.effects import EffectResult
from rr_refine.agent.events import (
    Notice,
    Rendered,
    RenderFailed,
    RewriteRejected,
    RoundStarted,
)
from rr_refine.agent.history import Candidate, Declined, Failure, Rejection, Rendering
from rr_refine.agent.nodes.context import NodeContext
from rr_refine.agent.policy import Policy
from rr_refine.agent.routing import RESEED
from rr_refine.agent.state import RefineState, RunContext, history_of
from rr_refine.errors import GeneratorError, OverBudgetError
from rr_refine.threads import in_thread

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

__all__ = ["generate", "seed_of"]


async def generate(state: RefineState, runtime: Runtime[RunContext]) -> RefineState:
    """Render the proposal with as many seeds as the policy asks for and the budget allows.

    A failed render is data on its candidate. Edits start from the user's own picture. Where there
    is a picture from an earlier prompt, one that the generator refuses is set aside: the round is
    still to come, with another prompt.
    """
    node = NodeContext(state, runtime)
    policy, proposal, before = state["policy"], state["proposal"], state["candidates"]
    assert proposal is not None
    number, revision = before[-1].round + 1 if before else 0, history_of(state).revision
    outside = await node.outside()
    wanted = 1 if outside and policy.outside == "one-picture" else policy.candidates
    count = int(min(wanted, left(policy.budget.images, state["spend"].images)))
    fit = await node.fit(proposal.prompt)
    same = None if fit is None else fit.reads
    again = len(
        {
            c.round
            for c in before
            if c.prompt == proposal.prompt or (same is not None and c.fit and c.fit.reads == same)
        }
    )
    node.emit(
        RoundStarted(
            round=number,
            rounds=policy.budget.rounds,
            prompt=proposal.prompt,
            origin=proposal.origin,
            candidates=count,
            revision=revision,
            spend=state["spend"],
            budget=policy.budget if state.get("extension") else None,
        )
    )
    if count < wanted:
        told = f"round {number + 1} has {count} of {wanted} pictures: no more images may be made"
        node.tell("limits", [told])
    for text in () if fit is None else fit.notices():
        node.emit(Notice(candidate=f"r{number}c0", text=text))
    works: list[EffectResult[Rendering]] = []
    has_picture = any(c.image is not None for c in before)

    async def render(candidate: Candidate) -> Candidate:
        try:
            work = await node.effects.render(
                candidate.prompt,
                candidate.seed,
                on_step=node.on_step(candidate.id),
                timeout=node.timeout(policy.render_timeout),
            )
        except (GeneratorError, OverBudgetError) as error:
            failure = node.failure("render", error)
            if not (failure.final and has_picture):
                node.emit(_failed(candidate, failure))
            return candidate.model_copy(update={"failure": failure})
        works.append(work)
        picture = work.value
        for text in picture.notices:
            node.emit(Notice(candidate=candidate.id, text=text))
        node.emit(
            Rendered(
                candidate=candidate.id,
                seed=candidate.seed,
                image=picture.image,
                path=str(node.context.folder.image_path(picture.image)),
                width=picture.width,
                height=picture.height,
                seconds=work.seconds,
                cached=work.cached,
            )
        )
        return candidate.model_copy(update={"image": picture.image})

    rendered = await asyncio.gather(
        *(
            render(
                Candidate(
                    revision=revision,
                    round=number,
                    index=index,
                    prompt=proposal.prompt,
                    origin=proposal.origin,
                    seed=seed_of(
                        policy, state["seed"], number, index, again, proposal.origin == RESEED
                    ),
                    fit=fit,
                    outside=outside,
                )
            )
            for index in range(count)
        )
    )
    if state["incumbent"] is None and works:
        # Whatever happens to the critic from here on, there is a result.
        first = next(c.image for c in rendered if c.image is not None)
        await in_thread(node.context.folder.publish, first)
    spend = state["spend"] + node.spend(works) + Spend(images=len(works))
    failures = [(c, c.failure) for c in rendered if c.failure is not None]
    if has_picture and len(failures) == count and all(failure.final for _, failure in failures):
        for candidate, failure in failures:
            await node.effects.keep_refusal(candidate.prompt, candidate.seed, failure)
        why = f"the generator refused it: {failures[0][1].error}: {failures[0][1].message}"
        rejection = Rejection(rewriter=proposal.origin, prompt=proposal.prompt, reason=why)
        node.emit(RewriteRejected(round=number, rejection=rejection))
        declined = (*state.get("declined", ()), Declined(round=number, rejection=rejection))
        return {"declined": declined, "proposal": None, "spend": spend}
    for candidate, failure in failures:
        if failure.final and has_picture:
            node.emit(_failed(candidate, failure))
    return {"candidates": (*before, *rendered), "proposal": None, "spend": spend}


def _failed(candidate: Candidate, failure: Failure) -> RenderFailed:
    return RenderFailed(candidate=candidate.id, error=failure.error, message=failure.message)


def seed_of(
    policy: Policy, base: int, number: int, index: int, again: int, reseed: bool = False
) -> int:
    """Seed of candidate `index` in round `number`, below 2**63.

    Args:
        again: how many earlier rounds had the same prompt, as the generator reads it.
        reseed: whether the round is for another seed.
    """
    past = {"same": again if reseed else 0, "fresh": number, "on-repeat": again}[policy.seeds]
    return int((base + past * policy.candidates + index) % 2**63)
