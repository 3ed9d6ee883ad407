"""An acceptance policy: it accepts what follows the text better, however it looks."""

from __future__ import annotations

from rr_refine.agent.acceptance import Challenge
from rr_refine.agent.history import Verdict

__all__ = ["TextFirst"]


class TextFirst:
    """Compares text faithfulness alone; the critic settles ties side by side, if it can."""

    def weigh(self, challenge: Challenge) -> Verdict:
        """See `rr_refine.agent.acceptance.Acceptance`."""
        both = (challenge.incumbent, challenge.challenger)
        before, now = (c.applicable["text_faithfulness"] for c in both)
        reason = f"text faithfulness {before:.2f} -> {now:.2f}"
        if now > before + challenge.policy.margin:
            return Verdict(accepted=True, rule="win", reason=reason)
        worse = now < before - challenge.policy.margin
        return Verdict(accepted=False, rule="worse" if worse else "tie", reason=reason)
