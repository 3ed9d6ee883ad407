"""The answer format of the released critics, for parts that write in it or ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rr_refine.reward.comparison import Winner
from rr_refine.terms import Dimension

__all__ = [
    "NOT_APPLICABLE",
    "WINNERS",
    "compared",
    "lay_out",
    "scored",
    "write_comparison",
    "write_critique",
]

NOT_APPLICABLE: Final = "N/A"
"""A score or winner where a dimension does not apply."""
WINNERS: Final[dict[Winner, str]] = {"a": "Image A", "b": "Image B", "tie": "It's a tie"}

_TITLES: Final[dict[Dimension, str]] = {
    "text_faithfulness": "Text Faithfulness",
    "image_faithfulness": "Image Faithfulness",
    "physical_quality": "Physical and Visual Quality",
    "text_rendering": "Text Rendering",
}
_READ: Final = "The request was read."


def write_critique(
    scores: Mapping[Dimension, float | None],
    refined: str | None,
    *,
    why: str | Mapping[Dimension, str],
    analysis: str = _READ,
    summary: str | None = None,
    comments: str | None = None,
) -> str:
    """A pointwise answer in full.

    Args:
        scores: the dimensions of the task, in order; None is written as N/A.
        refined: the proposed request, or None for none.
        why: the justification of each dimension, or one for all.
        analysis: what the request asks for.
        summary: the judgement in short; by default the justifications.
        comments: what the proposed request is to mend; by default a phrase without content.
    """
    reasons = _reasons(why, scores)
    if comments is None:
        comments = "Nothing to improve." if refined is None else "One more wish."
    verdicts = {d: scored(_written(score)) for d, score in scores.items()}
    told = _summary(summary, reasons)
    return lay_out(analysis, reasons, verdicts, told, (comments, str(refined))) + "\n"


def write_comparison(
    a: Mapping[Dimension, float | None],
    b: Mapping[Dimension, float | None],
    *,
    why: str | Mapping[Dimension, str],
    analysis: str = _READ,
    summary: str | None = None,
) -> str:
    """A pairwise answer in full; arguments as for `write_critique`."""
    reasons = _reasons(why, a)
    verdicts = {d: compared(_written(a[d]), _written(b[d]), _winner(a[d], b[d])) for d in a}
    return lay_out(analysis, reasons, verdicts, _summary(summary, reasons)) + "\n"


def lay_out(
    analysis: str,
    reasons: Mapping[Dimension, str],
    verdicts: Mapping[Dimension, str],
    summary: str,
    refinement: tuple[str, str] | None = None,
) -> str:
    """An answer of these texts, without the line break at its end.

    Args:
        verdicts: as `scored` or `compared` writes them.
        refinement: comments and proposed request, where there are any.
    """
    lines = ["# User Request Analysis", analysis, "# Detailed Judgement"]
    for number, (dimension, reason) in enumerate(reasons.items(), 1):
        lines += [f"{number}. {_TITLES[dimension]}:", f"## Justification: {reason}"]
        lines.append(verdicts[dimension])
    lines.append(f"# Summary: {summary}")
    if refinement is not None:
        comments, request = refinement
        lines += ["", "# User Request Refinement:"]
        lines += [f"## Refinement Comments: {comments}", f"## Refined Request: {request}"]
    return "\n".join(lines)


def scored(score: str) -> str:
    """The verdict on one picture."""
    return f"## Score: {score}"


def compared(a: str, b: str, winner: str) -> str:
    """The verdict on two: both scores and the winner."""
    return f"## Score A: {a}\n## Score B: {b}\n## Winner: {winner}"


def _reasons(
    why: str | Mapping[Dimension, str], scores: Mapping[Dimension, float | None]
) -> Mapping[Dimension, str]:
    return dict.fromkeys(scores, why) if isinstance(why, str) else why


def _summary(summary: str | None, reasons: Mapping[Dimension, str]) -> str:
    return " ".join(dict.fromkeys(reasons.values())) if summary is None else summary


def _written(score: float | None) -> str:
    return NOT_APPLICABLE if score is None else str(score)


def _winner(a: float | None, b: float | None) -> str:
    if a is None or b is None:
        return NOT_APPLICABLE
    return WINNERS["tie" if a == b else "a" if a > b else "b"]
