"""A comparison: which of two images answers the request better, asked in both orders."""

from __future__ import annotations

from typing import Literal

from rr_refine.terms import Dimension, Identity, Record, Task, Usage

__all__ = ["Comparison", "PairwiseCritique", "Winner"]

Winner = Literal["a", "b", "tie"]


class PairwiseCritique(Record):
    """One pairwise answer, as the critic saw the images: A first, B second."""

    task: Task
    scores_a: dict[Dimension, float | None]
    scores_b: dict[Dimension, float | None]
    winners: dict[Dimension, Winner | None]
    """Per dimension of the task; None where the critic said N/A."""
    rationales: dict[Dimension, str | None]
    summary: str = ""
    raw: str
    guided: bool = False
    """See `Critique.guided`."""

    @property
    def winner(self) -> Winner:
        """The image with the higher sum of scores over dimensions scored for both; else a tie."""
        gap = sum(
            a - b
            for d in self.scores_a
            if (a := self.scores_a[d]) is not None and (b := self.scores_b[d]) is not None
        )
        if abs(gap) < 1e-9:
            return "tie"
        return "a" if gap > 0 else "b"


class Comparison(Record):
    """A two-order comparison of images A and B."""

    critic: Identity
    forward: PairwiseCritique
    """A shown first."""
    reverse: PairwiseCritique
    """B shown first: its "A" is our B."""
    usage: Usage = Usage()

    @property
    def winner(self) -> Winner:
        """The image that wins in both orders; a tie otherwise.

        A critic that always prefers the first place therefore never decides anything.
        """
        swapped: dict[Winner, Winner] = {"a": "b", "b": "a", "tie": "tie"}
        first, second = self.forward.winner, swapped[self.reverse.winner]
        return first if first == second else "tie"
