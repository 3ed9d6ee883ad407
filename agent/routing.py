"""What to do next about a picture that is not good enough: another prompt, or another seed.

Where the prompt says a word right and the picture shows it wrong, the prompt is not at fault.
"""

from __future__ import annotations

from typing import Final, Literal

from rr_refine.agent.history import Candidate, History

__all__ = ["RESEED", "Route", "again", "drawn_wrong", "route"]

RESEED: Final = "reseed"
"""The origin of a proposal that is an earlier prompt again, for another seed."""

Route = Literal["rewrite", "reseed"]

_SEEDS: Final = 2
"""Rounds that one prompt gets before its words are doubted after all."""


def route(history: History) -> tuple[Route, str]:
    """Where to go from here, and why. A pure function: recorded runs are replayed.

    `reseed` where all that keeps the candidate that `drawn_wrong` names from winning, or the
    incumbent from its target, are measured misses, its prompt holds what was missed, and it had
    fewer than two seeds.
    """
    policy, best = history.policy, history.incumbent
    if policy.route != "auto":
        return policy.route, "the policy says so"
    if (tried := again(history)) is None or not tried.misses:
        return "rewrite", "nothing was measured to be missing"
    missed = {miss.dimension for miss in tried.misses}
    goal = policy.target if policy.target is not None else 0.0
    others = {d: s for d, s in tried.applicable.items() if d not in missed}
    if tried is best and any(score < goal for score in others.values()):
        return "rewrite", "more is amiss than what was measured"
    absent = [miss.expected for miss in tried.misses if str(miss.expected) not in tried.prompt]
    if absent:
        return "rewrite", f"the prompt does not say {absent[0]!r}"
    if len({c.round for c in history.candidates if c.prompt == tried.prompt}) >= _SEEDS:
        return "rewrite", f"{_SEEDS} seeds of this prompt missed it"
    return "reseed", f"the prompt says it right: {tried.misses[0].reason}"


def again(history: History) -> Candidate | None:
    """The candidate whose prompt another seed is for: of the last round one that was drawn wrong,
    or else the incumbent.
    """
    last = history.rounds[-1] if history.rounds else ()
    wrong = [one for one in last if drawn_wrong(one, history)]
    return max(wrong, key=lambda one: one.mean_said or 0.0) if wrong else history.incumbent


def drawn_wrong(candidate: Candidate, history: History) -> bool:
    """Whether it was refused for a measured miss where the critic prefers it to the incumbent."""
    best, refused = history.incumbent, candidate.verdict
    if best is None or refused is None or refused.accepted or not candidate.misses:
        return False
    if candidate.revision != best.revision:  # scores of two revisions are not compared
        return False
    before, now = best.mean_said, candidate.mean_said
    return before is not None and now is not None and now > before + history.policy.margin
