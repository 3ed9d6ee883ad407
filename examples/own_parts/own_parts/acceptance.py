"""An acceptance policy: what follows the text better is taken, however it looks."""

from __future__ import annotations

from collections.abc import Mapping

from rr_refine.agent.history import Candidate, Verdict
from rr_refine.agent.policy import Policy
from rr_refine.terms import Dimension

__all__ = ["TextFirst"]


class TextFirst:
    """Compares text faithfulness alone; the critic settles ties side by side, if it can."""

    def weigh(
        self,
        challenger: Candidate,
        incumbent: Candidate,
        floor: Mapping[Dimension, float],
        policy: Policy,
    ) -> Verdict:
        """See `rr_refine.agent.acceptance.Acceptance`."""
        before, now = (c.applicable["text_faithfulness"] for c in (incumbent, challenger))
        reason = f"text faithfulness {before:.2f} -> {now:.2f}"
        if now > before + policy.margin:
            return Verdict(accepted=True, rule="win", reason=reason)
        worse = now < before - policy.margin
        return Verdict(accepted=False, rule="worse" if worse else "tie", reason=reason)
