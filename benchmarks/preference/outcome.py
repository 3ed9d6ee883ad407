"""An outcome: what a critic said about one pair, in both orders, or why it said nothing."""

from __future__ import annotations

from typing import Literal

from rr_refine.benchmarks.preference.item import Truth, Verdict
from rr_refine.terms import Record, Usage

__all__ = ["Mode", "Order", "Outcome"]

Mode = Literal["pairwise", "pointwise"]
"""Both pictures side by side, or each alone."""

Order = Literal["forward", "reverse"]
"""Which picture was shown first: A, or B."""


class Outcome(Record):
    """A line of pairs.jsonl."""

    id: str
    group: str
    size: int
    """As `PreferenceItem.size`."""
    mode: Mode
    truth: Truth
    forward: Verdict | None = None
    """With A shown first; None where there is no answer that can be read."""
    reverse: Verdict | None = None
    """With B shown first, in the same names. Pointwise, where nothing has an order, the same."""
    scores: tuple[float, float] | None = None
    """Pointwise: the means of A and B, 1 to 4."""
    failure: str | None = None
    """The type of the error: `CriticTimeout`."""
    message: str | None = None
    unanswered: bool = False
    """It failed because the critic said nothing at all; an answer that cannot be read is one."""
    raw: str | None = None
    """The answer that could not be read, as it came; those that could are in the cache."""
    usage: Usage = Usage()

    def right(self, order: Order) -> bool:
        """Is the critic's word in this order that of people?

        One tie stands for both of theirs: it is accepted where both are good and where both are
        bad, as GenAI-Bench's script accepts a plain `[[A=B]]`.
        """
        verdict = self.forward if order == "forward" else self.reverse
        return verdict is not None and verdict == (
            "tie" if self.truth == "both_bad" else self.truth
        )
