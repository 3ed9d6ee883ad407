"""A stopping rule: it ends a run that got worse twice in a row."""

from __future__ import annotations

from rr_refine.agent.history import History, Stop

__all__ = ["Downhill"]


class Downhill:
    """Fires when two rounds in a row scored less than the round before them."""

    def check(self, history: History) -> Stop | None:
        """See `rr_refine.agent.stopping.StopRule`: a pure function of the history."""
        best = [max((c.mean or 0.0 for c in tried), default=0.0) for tried in history.rounds]
        if len(best) < 3 or not best[-3] > best[-2] > best[-1]:
            return None
        return Stop(rule="own-downhill", reason=f"from {best[-3]:.2f} down to {best[-1]:.2f}")
