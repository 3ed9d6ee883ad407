"""The pointwise parser: a critic's answer about one image becomes a critique, or an error.

It accepts what a careful reader would read without doubt, and nothing else: what is missing,
doubtful, contradictory or out of range is an error with a type, never a score.
"""

from __future__ import annotations

from rr_refine.errors import CriticUnreadable
from rr_refine.reward.critique import Critique
from rr_refine.reward.reading import read_answer
from rr_refine.reward.values import read_request, read_score
from rr_refine.terms import Task, dimensions_of

__all__ = ["parse_critique"]


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
        foreign = reading.value("score", "image_faithfulness", read_score)
        if foreign is not None:
            raise CriticUnreadable(
                f"image faithfulness is scored ({foreign}) where no source image was shown", text
            )
    scores = {d: reading.value("score", d, read_score) for d in dimensions_of(task)}
    if all(score is None for score in scores.values()):
        raise CriticUnreadable("every dimension is N/A, so there is nothing to judge by", text)
    return Critique(
        task=task,
        scores=scores,
        rationales={d: reading.text("justification", d) or None for d in scores},
        summary=reading.text("summary"),
        refinement_comments=reading.text("comments") or None,
        refined_request=reading.value("request", None, read_request)
        if reading.has("request")
        else None,
        raw=text,
    )
