"""The answer format: how a released critic writes what it thinks, for those who play one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rr_refine.terms import Dimension

__all__ = ["write_comparison", "write_critique"]

_TITLES: Final[dict[Dimension, str]] = {
    "text_faithfulness": "Text Faithfulness",
    "image_faithfulness": "Image Faithfulness",
    "physical_quality": "Physical and Visual Quality",
    "text_rendering": "Text Rendering",
}
_BEGIN: Final = (
    "# User Request Analysis",
    "The request was read.",
    "# Detailed Judgement",
)


def write_critique(
    scores: Mapping[Dimension, float | None], refined: str | None, *, why: str
) -> str:
    """A pointwise answer in full.

    Args:
        scores: the dimensions of the task, in order; None is written as N/A.
        refined: the proposed request, or None for none.
        why: every justification.
    """
    lines = [*_BEGIN]
    for number, (dimension, score) in enumerate(scores.items(), 1):
        lines += [
            f"{number}. {_TITLES[dimension]}:",
            f"## Justification: {why}",
            f"## Score: {_written(score)}",
        ]
    comments = "Nothing to improve." if refined is None else "One more wish."
    lines += [
        f"# Summary: {why}",
        "",
        "# User Request Refinement:",
        f"## Refinement Comments: {comments}",
        f"## Refined Request: {refined}",
    ]
    return "\n".join(lines) + "\n"


def write_comparison(
    a: Mapping[Dimension, float | None], b: Mapping[Dimension, float | None], *, why: str
) -> str:
    """A pairwise answer in full; arguments as for `write_critique`."""
    lines = [*_BEGIN]
    for number, dimension in enumerate(a, 1):
        lines += [
            f"{number}. {_TITLES[dimension]}:",
            f"## Justification: {why}",
            f"## Score A: {_written(a[dimension])}",
            f"## Score B: {_written(b[dimension])}",
            f"## Winner: {_winner(a[dimension], b[dimension])}",
        ]
    return "\n".join([*lines, f"# Summary: {why}"]) + "\n"


def _written(score: float | None) -> str:
    return "N/A" if score is None else str(score)


def _winner(a: float | None, b: float | None) -> str:
    if a is None or b is None:
        return "N/A"
    if a == b:
        return "It's a tie"
    return "Image A" if a > b else "Image B"
