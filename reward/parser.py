"""The parsers: a critic's answer about one image or two becomes a critique or a comparison.

They accept what a careful reader would read without doubt, and nothing else: what is missing,
doubtful, contradictory or out of range is an error with a type, never a score.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from rr_refine.errors import CriticUnreadable
from rr_refine.reward.comparison import PairwiseCritique, Winner
from rr_refine.reward.critique import Critique
from rr_refine.reward.proposal import read_proposal
from rr_refine.reward.reading import Reading, read_answer
from rr_refine.reward.values import read_score, read_winner
from rr_refine.terms import Dimension, Task, dimensions_of

__all__ = ["parse_comparison", "parse_critique"]

_Verdict: TypeAlias = "tuple[float | None, float | None, Winner | None]"


def parse_critique(text: str, task: Task, *, truncated: bool = False) -> Critique:
    """Read a pointwise answer.

    Args:
        text: the answer as it came; kept as `raw`.
        task: what was judged. A text-to-image answer may say N/A to image faithfulness, which is
            left out; a score for it means that the wrong question was answered.
        truncated: the token limit ended the answer, which is then never used.

    Raises:
        CriticTruncated: the answer was cut off, or visibly ends too early.
        CriticRefused: the critic declined to judge.
        CriticUnreadable: it cannot be read for certain; the message says where and why.
    """
    reading = read_answer(text, ("justification", "score"), truncated=truncated)
    if task == "t2i" and reading.has("score", "image_faithfulness"):
        _require_unscored(reading.value("score", "image_faithfulness", read_score), text)
    scores = {d: reading.value("score", d, read_score) for d in dimensions_of(task)}
    _require_any(scores.values(), text)
    return Critique(
        task=task,
        scores=scores,
        rationales={d: reading.text("justification", d) or None for d in scores},
        summary=reading.text("summary"),
        refinement_comments=reading.text("comments") or None,
        refined_request=reading.value("request", None, read_proposal)
        if reading.has("request")
        else None,
        raw=text,
    )


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
    reading = read_answer(
        text, ("justification", "score_a", "score_b", "winner"), truncated=truncated
    )
    if task == "t2i" and reading.has("score_a", "image_faithfulness"):
        _require_unscored(_verdict(reading, "image_faithfulness")[0], text)
    verdicts = {d: _verdict(reading, d) for d in dimensions_of(task)}
    _require_any((score for score, _, _ in verdicts.values()), text)
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


def _require_unscored(score: float | None, text: str) -> None:
    """Image faithfulness of a text-to-image answer is N/A, if it is there at all."""
    if score is not None:
        raise CriticUnreadable(
            f"image faithfulness is scored ({score}) where no source image was shown", text
        )


def _require_any(scores: Iterable[float | None], text: str) -> None:
    if all(score is None for score in scores):
        raise CriticUnreadable("every dimension is N/A, so there is nothing to judge by", text)
