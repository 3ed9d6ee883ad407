"""The answer format of the released critics, for parts that imitate one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rr_refine.terms import Dimension

__all__ = ["write_comparison", "write_critique"]

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
    lines = ["# User Request Analysis", analysis, "# Detailed Judgement"]
    for number, (dimension, score) in enumerate(scores.items(), 1):
        lines += [
            f"{number}. {_TITLES[dimension]}:",
            f"## Justification: {reasons[dimension]}",
            f"## Score: {_written(score)}",
        ]
    if comments is None:
        comments = "Nothing to improve." if refined is None else "One more wish."
    lines += [
        f"# Summary: {_summary(summary, reasons)}",
        "",
        "# User Request Refinement:",
        f"## Refinement Comments: {comments}",
        f"## Refined Request: {refined}",
    ]
    return "\n".join(lines) + "\n"


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
    lines = ["# User Request Analysis", analysis, "# Detailed Judgement"]
    for number, dimension in enumerate(a, 1):
        lines += [
            f"{number}. {_TITLES[dimension]}:",
            f"## Justification: {reasons[dimension]}",
            f"## Score A: {_written(a[dimension])}",
            f"## Score B: {_written(b[dimension])}",
            f"## Winner: {_winner(a[dimension], b[dimension])}",
        ]
    return "\n".join([*lines, f"# Summary: {_summary(summary, reasons)}"]) + "\n"


def _reasons(
    why: str | Mapping[Dimension, str], scores: Mapping[Dimension, float | None]
) -> Mapping[Dimension, str]:
    return dict.fromkeys(scores, why) if isinstance(why, str) else why


def _summary(summary: str | None, reasons: Mapping[Dimension, str]) -> str:
    return " ".join(dict.fromkeys(reasons.values())) if summary is None else summary


def _written(score: float | None) -> str:
    return "N/A" if score is None else str(score)


def _winner(a: float | None, b: float | None) -> str:
    if a is None or b is None:
        return "N/A"
    if a == b:
        return "It's a tie"
    return "Image A" if a > b else "Image B"
