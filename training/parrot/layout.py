"""The layout of an answer that a student may learn from: the answer format, to the heading.

The parsers read more than that, since they have to make do with what a model writes. What is
taught is the format itself, with each justification before its score.
"""

from __future__ import annotations

from typing import TypeAlias

from rr_refine.errors import CriticUnreadable
from rr_refine.reward.comparison import PairwiseCritique
from rr_refine.reward.critique import Critique
from rr_refine.reward.headings import Field, Part, read_heading
from rr_refine.reward.pairwise_parser import parse_comparison
from rr_refine.reward.parser import parse_critique
from rr_refine.terms import Dimension, Task, dimensions_of

__all__ = ["read_pairwise", "read_pointwise"]

_Name: TypeAlias = Dimension | Field | Part


def read_pairwise(text: str, task: Task) -> PairwiseCritique:
    """Read an answer about two pictures that has the right layout.

    Raises:
        CriticAnswerError: it cannot be read, or has another layout.
    """
    critique = parse_comparison(text, task)
    _require(text, task, ("justification", "score_a", "score_b", "winner"), ("summary",))
    return critique


def read_pointwise(text: str, task: Task) -> Critique:
    """Read an answer about one picture that has the right layout; errors as for `read_pairwise`."""
    critique = parse_critique(text, task)
    end: tuple[Part, ...] = ("summary", "refinement", "comments", "request")
    _require(text, task, ("justification", "score"), end)
    return critique


def _require(text: str, task: Task, fields: tuple[Field, ...], end: tuple[Part, ...]) -> None:
    """Require that nothing stands before the first heading, and that all are there, in order."""
    expected: list[_Name] = ["analysis", "judgement"]
    for dimension in dimensions_of(task):
        expected += [dimension, *fields]
    headings = [read_heading(line) for line in text.strip().splitlines()]
    found = iter([h.dimension or h.label for h in headings if h])
    if headings[0] is None or not all(name in found for name in (*expected, *end)):
        raise CriticUnreadable("its headings are not those of the answer format", text)
