"""Answers as the released critics write them, to be read back and to be spoiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rr_refine.terms import Dimension, Task, dimensions_of

TITLES: dict[Dimension, str] = {
    "text_faithfulness": "Text Faithfulness",
    "image_faithfulness": "Image Faithfulness",
    "physical_quality": "Physical and Visual Quality",
    "text_rendering": "Text Rendering",
}
SCORES: dict[Dimension, float | None] = {
    "text_faithfulness": 3.5,
    "image_faithfulness": 3.8,
    "physical_quality": 2.0,
    "text_rendering": None,
}
RATIONALES: dict[Dimension, str] = {
    "text_faithfulness": "The cat is there, and it is red.",
    "image_faithfulness": "The garden behind it is as it was.",
    "physical_quality": "Its left paw has six toes.",
    "text_rendering": "No words were asked for.",
}
SUMMARY = "A good picture with a bad paw."
COMMENTS = "The paw needs a count of its toes."
REQUEST = "A red cat, with five toes on each paw, in a garden."


def number(score: float | None) -> str:
    return "N/A" if score is None else str(score)


@dataclass(frozen=True)
class Told:
    """What a pointwise answer is to say."""

    task: Task = "edit"
    scores: Mapping[Dimension, str] = field(default_factory=dict)
    """Instead of `SCORES`, in the words of the answer."""
    rationales: Mapping[Dimension, str] = field(default_factory=dict)
    """Instead of `RATIONALES`."""
    summary: str = SUMMARY
    comments: str = COMMENTS
    request: str = REQUEST

    def __str__(self) -> str:
        """The answer in the format of the released critics."""
        lines = ["# User Request Analysis", "A red cat in a garden.", "# Detailed Judgement"]
        for place, dimension in enumerate(dimensions_of(self.task), 1):
            score = self.scores.get(dimension, number(SCORES[dimension]))
            rationale = self.rationales.get(dimension, RATIONALES[dimension])
            lines += [f"{place}. {TITLES[dimension]}:"]
            lines += [f"## Justification: {rationale}", f"## Score: {score}"]
        lines += [f"# Summary: {self.summary}", "", "# User Request Refinement:"]
        lines += [f"## Refinement Comments: {self.comments}", f"## Refined Request: {self.request}"]
        return "\n".join(lines)


def pointwise(task: Task = "edit", scores: Mapping[Dimension, str] | None = None) -> str:
    """A pointwise answer; `scores` instead of `SCORES`, in the words of the answer."""
    return str(Told(task, scores=scores or {}))


def pairwise(
    task: Task = "edit", verdicts: Mapping[Dimension, tuple[str, str, str]] | None = None
) -> str:
    """A pairwise answer; `verdicts` are (score A, score B, winner) by dimension."""
    lines = ["# User Request Analysis", "A red cat in a garden.", "# Detailed Judgement"]
    for place, dimension in enumerate(dimensions_of(task), 1):
        default = ("N/A", "N/A", "N/A") if SCORES[dimension] is None else ("3.5", "2.0", "Image A")
        a, b, winner = (verdicts or {}).get(dimension, default)
        lines += [f"{place}. {TITLES[dimension]}:", f"## Justification: {RATIONALES[dimension]}"]
        lines += [f"## Score A: {a}", f"## Score B: {b}", f"## Winner: {winner}"]
    return "\n".join([*lines, f"# Summary: {SUMMARY}"])
