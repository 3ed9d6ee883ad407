"""The pairwise parser: a critic's answer about two images becomes a comparison, or an error."""

from __future__ import annotations

from typing import Final, TypeAlias

from rr_refine.errors import CriticUnreadable
from rr_refine.reward.comparison import PairwiseCritique, Winner
from rr_refine.reward.headings import Field
from rr_refine.reward.reading import Reading, read_answer
from rr_refine.reward.values import read_score, read_winner
from rr_refine.terms import Dimension, Task, dimensions_of

__all__ = ["parse_comparison"]

_FIELDS: Final[tuple[Field, ...]] = ("justification", "score_a", "score_b", "winner")
_Verdict: TypeAlias = "tuple[float | None, float | None, Winner | None]"


def parse_comparison(text: str, task: Task, *, truncated: bool = False) -> PairwiseCritique:
    """Read a pairwise answer.

    The scores decide (`PairwiseCritique.winner`); the stated winners are kept beside them. The two
    have to be compatible: a winner with the lower score is a contradiction, and an error. A tie of
    near scores, or a winner among equal ones, is not.

    Args:
        text: the answer as it came; kept as `raw`.
        task: what was judged; image faithfulness is treated as in `parse_critique`.
        truncated: the token limit ended the answer, which is then never used.

    Raises:
        CriticTruncated: the answer was cut off, or visibly ends too early.
        CriticRefused: the critic declined to judge.
        CriticUnreadable: it cannot be read for certain; the message says where and why.
    """
    reading = read_answer(text, _FIELDS, truncated=truncated)
    if task == "t2i" and reading.has("score_a", "image_faithfulness"):
        foreign = _verdict(reading, "image_faithfulness")
        if foreign[0] is not None:
            raise CriticUnreadable(
                f"image faithfulness is scored ({foreign[0]}) where no source image was shown", text
            )
    verdicts = {d: _verdict(reading, d) for d in dimensions_of(task)}
    if all(score is None for score, _, _ in verdicts.values()):
        raise CriticUnreadable("every dimension is N/A, so there is nothing to judge by", text)
    return PairwiseCritique(
        task=task,
        scores_a={d: a for d, (a, _, _) in verdicts.items()},
        scores_b={d: b for d, (_, b, _) in verdicts.items()},
        winners={d: winner for d, (_, _, winner) in verdicts.items()},
        rationales={d: reading.text("justification", d) or None for d in verdicts},
        summary=reading.text("summary"),
        raw=text,
    )


def _verdict(reading: Reading, dimension: Dimension) -> _Verdict:
    """Score of A, score of B and winner of one dimension: all N/A, or none."""
    a = reading.value("score_a", dimension, read_score)
    b = reading.value("score_b", dimension, read_score)
    winner = reading.value("winner", dimension, read_winner)
    if a is None and b is None and winner in (None, "tie"):
        return None, None, None
    stated = f"A {a or 'N/A'}, B {b or 'N/A'}, winner {winner or 'N/A'}"
    if a is None or b is None or winner is None:
        raise CriticUnreadable(f"{dimension} is N/A only in part: {stated}", reading.raw)
    if (winner == "a" and a < b) or (winner == "b" and b < a):
        raise CriticUnreadable(f"{dimension} contradicts itself: {stated}", reading.raw)
    return a, b, winner
