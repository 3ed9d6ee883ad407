"""critique: have every image of the round judged against the original request."""

from __future__ import annotations

import asyncio
from math import sqrt
from typing import TYPE_CHECKING

from rr_refine.agent.budget import Budget, Spend, exhausted
from rr_refine.agent.effects import EffectResult
from rr_refine.agent.events import CriticFailed, Judged, Notice
from rr_refine.agent.history import OUT_OF_BUDGET, Candidate, Failure
from rr_refine.agent.measured import (
    capped,
    caps_in_words,
    facts_of,
    not_measured,
    unjudged_of,
)
from rr_refine.agent.nodes.context import NodeContext
from rr_refine.agent.state import RefineState, RunContext, history_of
from rr_refine.component import most_sources, unknown_to
from rr_refine.errors import CriticError, OverBudgetError, RefineError, StoreError
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.evidence.evidence import Finding
from rr_refine.terms import Dimension

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

__all__ = ["critique", "judge", "limits_of", "standard_errors"]


async def critique(state: RefineState, runtime: Runtime[RunContext]) -> RefineState:
    """Judge the images of the last round, all at once.

    A failed judgement is data on its candidate; it is never a score.
    """
    node = NodeContext(state, runtime)
    history, spent = history_of(state), state["spend"]
    limits = limits_of(state)
    images = [c for c in history.rounds[-1] if c.image is not None]
    if limits.critic_calls is None and limits.tokens is None:
        judged = await asyncio.gather(*(judge(node, state, c, spent) for c in images))
        spent = sum((cost for _, cost, _ in judged), start=spent)
    else:  # one after the other, so that each knows what the one before has cost
        judged = []
        for image in images:
            judged.append(await judge(node, state, image, spent))
            spent += judged[-1][1]
    by_id = {candidate.id: candidate for candidate, _, _ in judged}
    return {
        "candidates": tuple(by_id.get(c.id, c) for c in state["candidates"]),
        "spend": spent + node.spend([work for _, _, work in judged if work is not None]),
    }


def limits_of(state: RefineState) -> Budget:
    """What a judgement may not go beyond before it begins. The seconds end it, and its requests
    are refused where they could cost too much.
    """
    without = {"images": None, "seconds": None, "usd": None}
    return state["policy"].budget.model_copy(update=without)


async def judge(
    node: NodeContext, state: RefineState, candidate: Candidate, spent: Spend
) -> tuple[Candidate, Spend, EffectResult[Assessment] | None]:
    """Have an image judged by the request as it is now.

    Args:
        spent: so far.

    Returns:
        The candidate with its judgement or why there is none, what it cost, and the work.
    """
    assert candidate.image is not None
    policy, history = state["policy"], history_of(state)
    if over := exhausted(limits_of(state), spent):
        failure = Failure(stage="critique", error=OUT_OF_BUDGET, message=f"not judged: {over}")
        return _failed(node, candidate, failure), Spend(), None
    findings = await _measured(node, candidate, state) if policy.evidence else ()
    try:
        work = await node.effects.assess(
            candidate.image,
            timeout=node.timeout(policy.critique_timeout),
            facts=facts_of(findings),
        )
    except (CriticError, OverBudgetError) as error:
        failed = _failed(node, candidate, node.failure("critique", error))
        return failed, Spend.of_failure(error), None
    node.tell("critic", work.value.usage.notices)
    said = work.value.mean
    scores = capped(said, findings)
    critic, number = node.context.job.critic, len(node.request.sources)
    most = most_sources(critic)
    unseen = () if most is None else (f"picture {n}" for n in range(most + 1, number + 1))
    unread = (r.remark for r in state.get("revisions", ()) if r.unread)
    unknown = (*unknown_to(critic, node.request), *unseen, *unread, *work.value.unjudged)
    judged = candidate.model_copy(
        update={
            "critique": work.key,
            "scores": scores,
            "said": None if scores == said else said,
            "errors": standard_errors(work.value),
            "guided": any(critique.guided for critique in work.value.critiques),
            "findings": findings,
            "unjudged": unjudged_of(unknown, findings),
        }
    )
    best = history.incumbent
    # Scores of two revisions are not compared.
    comparable = best if best and best.revision == judged.revision else None
    node.emit(_judged(judged, comparable, work))
    return judged, Spend.of_critic(work.value.usage), work


def standard_errors(assessment: Assessment) -> dict[Dimension, float]:
    """Standard error of the mean per dimension, where two or more samples scored it."""
    return {
        dimension: spread / sqrt(sum(c.scores[dimension] is not None for c in assessment.critiques))
        for dimension, spread in assessment.spread.items()
        if spread is not None
    }


async def _measured(
    node: NodeContext, candidate: Candidate, state: RefineState
) -> tuple[Finding, ...]:
    """What all evidence finds. What fails is told, and leaves open what it was to measure."""
    assert candidate.image is not None
    findings: list[Finding] = []
    failed: dict[str, str] = {}
    for evidence in node.context.job.evidence:
        try:
            limit = node.timeout(state["policy"].critique_timeout)
            work = await node.effects.examine(evidence, candidate.image, timeout=limit)
        except StoreError:
            raise
        except RefineError as error:  # whatever it is, a run does without
            failed[evidence.identity.kind] = str(error)
            node.emit(Notice(candidate=candidate.id, text=f"not measured: {error}"))
        else:
            findings += work.value.findings
    return (*findings, *not_measured(node.request, findings, failed))


def _failed(node: NodeContext, candidate: Candidate, failure: Failure) -> Candidate:
    node.emit(
        CriticFailed(
            candidate=candidate.id,
            revision=candidate.revision,
            error=failure.error,
            message=failure.message,
        )
    )
    return candidate.model_copy(update={"failure": failure})


def _judged(
    candidate: Candidate, incumbent: Candidate | None, work: EffectResult[Assessment]
) -> Judged:
    scores = candidate.scores or {}
    before = incumbent.scores if incumbent is not None and incumbent.scores else {}
    changes: dict[Dimension, float | None] = {}
    for dimension, score in scores.items():
        earlier = before.get(dimension)
        changes[dimension] = None if score is None or earlier is None else score - earlier
    weakest = min((s, d) for d, s in scores.items() if s is not None)[1]
    reasons = [r for c in work.value.critiques if (r := c.rationales[weakest])]
    return Judged(
        candidate=candidate.id,
        revision=candidate.revision,
        again=bool(candidate.earlier),
        scores=scores,
        changes=changes,
        reward=candidate.reward or 0.0,
        weakest=weakest,
        reason=reasons[0] if reasons else work.value.critiques[0].summary,
        said=candidate.said,
        capped=caps_in_words(candidate.said, scores),
        findings=candidate.findings,
        unjudged=candidate.unjudged,
        samples=len(work.value.critiques),
        seconds=work.seconds,
        cached=work.cached,
    )
