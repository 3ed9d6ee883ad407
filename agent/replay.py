"""Replay: a recorded run under another policy of acceptance and stopping, without rendering."""

from __future__ import annotations

from dataclasses import dataclass

from rr_refine.agent.acceptance import NearTie, weigh_round
from rr_refine.agent.budget import Spend, left
from rr_refine.agent.history import Candidate, History, Stop
from rr_refine.agent.measured import unmeasured
from rr_refine.agent.policy import Policy
from rr_refine.agent.run import Run
from rr_refine.agent.stopping import should_stop
from rr_refine.reward.comparison import Comparison

__all__ = ["Replay", "replay"]


@dataclass(frozen=True, slots=True)
class Replay:
    """What another policy would have made of the recorded candidates."""

    candidates: tuple[Candidate, ...]
    """Those that the policy would have come to, with its verdicts."""
    incumbent: Candidate | None
    stop: Stop | None
    """None where the policy would have gone on beyond the record."""
    unsettled: tuple[str, ...]
    """Ids of near ties that the record holds no comparison for; the incumbent stayed. And of
    incumbents that were not judged by the request as a remark made it; the next one took over."""


def replay(run: Run, policy: Policy) -> Replay:
    """Apply acceptance and stopping of `policy` to the candidates of a recorded run.

    Of the budget, rounds and images count; seconds, tokens, critic calls and money do not: they
    belong to the machine that ran. Prompts are those that were tried: another policy might have
    led to others.
    """
    seen = (lambda one: one) if policy.evidence else unmeasured
    kept: list[Candidate] = []
    images = 0
    incumbent: Candidate | None = None
    unsettled: list[str] = []
    revision = 1
    stop: Stop | None = None
    for number in range(1 + max((c.round for c in run.candidates), default=-1)):
        count = int(min(policy.candidates, left(policy.budget.images, images)))
        challengers = [c.under(c.first_revision) for c in run.candidates if c.round == number]
        challengers = [seen(c) for c in challengers[:count]]
        revision = challengers[0].revision if challengers else revision
        if incumbent is not None and incumbent.revision != revision:  # there was a remark
            known = next(c for c in run.candidates if c.id == incumbent.id)
            incumbent = seen(known.under(revision)).model_copy(
                update={"verdict": incumbent.verdict}
            )
            kept = [incumbent if c.id == incumbent.id else c for c in kept]
            if incumbent.mean is None:
                unsettled.append(incumbent.id)
        images += sum(c.image is not None for c in challengers)
        settled: dict[tuple[str, str], Comparison | str] = {}
        while isinstance(
            weighed := weigh_round(challengers, kept, incumbent, policy, settled), NearTie
        ):
            comparison = run.comparison(weighed.incumbent, weighed.challenger)
            if comparison is None:
                unsettled.append(weighed.challenger.id)
            settled[weighed.pair] = comparison or "the record holds no comparison"
        kept += sorted(weighed.candidates, key=lambda c: c.index)
        incumbent = weighed.incumbent
        stop = should_stop(
            History(
                policy=policy,
                spend=Spend(images=images),
                candidates=tuple(kept),
                incumbent_id=None if incumbent is None else incumbent.id,
                revision=revision,
            )
        )
        if stop is not None:
            break
    return Replay(tuple(kept), incumbent, stop, tuple(unsettled))
