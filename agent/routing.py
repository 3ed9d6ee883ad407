"""What to do next about a picture that is not good enough: another prompt, or another seed.

Where the prompt says a word right and the picture shows it wrong, the prompt is not at fault.
"""

from __future__ import annotations

from typing import Final, Literal

from rr_refine.agent.history import History

__all__ = ["RESEED", "Route", "route"]

RESEED: Final = "reseed"
"""The origin of a proposal that is the incumbent's prompt again, for another seed."""

Route = Literal["rewrite", "reseed"]

_SEEDS: Final = 2
"""Rounds that one prompt gets before its words are doubted after all."""


def route(history: History) -> tuple[Route, str]:
    """Where to go from here, and why. A pure function: recorded runs are replayed.

    `reseed` where all that keeps the incumbent from its target are measured misses, its prompt
    holds what was missed, and it had fewer than two seeds.
    """
    policy, best = history.policy, history.incumbent
    if policy.route != "auto":
        return policy.route, "the policy says so"
    if best is None or not best.misses:
        return "rewrite", "nothing was measured to be missing"
    missed = {miss.dimension for miss in best.misses}
    goal = policy.target if policy.target is not None else 0.0
    others = {d: s for d, s in best.applicable.items() if d not in missed}
    if any(score < goal for score in others.values()):
        return "rewrite", "more is amiss than what was measured"
    absent = [miss.expected for miss in best.misses if str(miss.expected) not in best.prompt]
    if absent:
        return "rewrite", f"the prompt does not say {absent[0]!r}"
    if len({c.round for c in history.candidates if c.prompt == best.prompt}) >= _SEEDS:
        return "rewrite", f"{_SEEDS} seeds of this prompt missed it"
    return "reseed", f"the prompt says it right: {best.misses[0].reason}"
