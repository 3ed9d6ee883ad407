"""Rationales: the teacher's answers, read, and the checks that need no second opinion.

The critic's parsers read whatever a model writes. A student learns the answer format itself, so
here every heading must be there, with each justification before its score.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from rr_refine.errors import CriticAnswerError, CriticUnreadable
from rr_refine.reward.comparison import PairwiseCritique
from rr_refine.reward.critique import Critique
from rr_refine.reward.headings import Field, Part, read_heading
from rr_refine.reward.parser import parse_comparison, parse_critique
from rr_refine.reward.preferences.pair import Label, Order, PreferencePair, exchange
from rr_refine.terms import Dimension, Task, dimensions_of
from rr_refine.training.parrot.config import ParrotOptions
from rr_refine.training.parrot.sentences import gives_away, without_verdicts
from rr_refine.training.parrot.teacher import TeacherAnswer

__all__ = [
    "GATES",
    "Gate",
    "Rationale",
    "evidence_of",
    "read_pairwise",
    "read_pointwise",
    "read_rationale",
]

Gate = Literal[
    "finish", "leak", "format", "score order", "length", "third picture", "prediction", "gain"
]
GATES: Final[tuple[Gate, ...]] = get_args(Gate)
"""In the order in which they are passed; the first that fails is the reason."""

_THIRD: Final = re.compile(
    r"\b(?i:image|picture|edit)\s[C-Z]\b"
    r"|\b(?i:(?:third|fourth)\s(?:image|picture|edit)|(?:all\s)?three\s(?:edits|candidates))\b"
)
"""A picture that was never shown. A source picture makes three pictures, but not three edits."""

_Name: TypeAlias = Dimension | Field | Part


@dataclass(frozen=True, slots=True)
class Rationale:
    """One answer about a pair, parsed."""

    id: str
    """Of the question that it answers."""
    pair: PreferencePair
    order: Order
    """`BA`: what it calls Image A is the pair's Image B."""
    answer: TeacherAnswer
    critique: PairwiseCritique | None = None
    """None if it cannot be read."""
    evidence: str = ""
    """See `evidence_of`."""
    failed: Gate | None = None
    """The first gate that its text does not pass; never one that the teacher is asked for."""

    @property
    def label(self) -> Label:
        """The better picture, as the rationale calls it."""
        return exchange(self.pair.label, self.order)


def read_rationale(
    id: str, pair: PreferencePair, order: Order, answer: TeacherAnswer, options: ParrotOptions
) -> Rationale:
    """Read an answer, and check what its text alone can tell."""
    if answer.finish_reason != "stop":
        return Rationale(id, pair, order, answer, failed="finish")
    leaks = gives_away(answer.text, pair.instruction)
    try:
        critique = read_pairwise(answer.text, pair.task)
    except CriticAnswerError:
        return Rationale(id, pair, order, answer, failed="leak" if leaks else "format")
    evidence = evidence_of(critique)
    failed: Gate | None = "leak"
    if not leaks:
        failed = _failed(critique, evidence, exchange(pair.label, order), pair, options)
    return Rationale(id, pair, order, answer, critique, evidence, failed)


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


def evidence_of(critique: PairwiseCritique) -> str:
    """The justifications of a rationale, by dimension, without scores, winners and summary.

    It is put together from what the parser read, so that no way of writing a heading can carry a
    score along. Statements of a score or a decision within a justification are left out too:
    with them, to predict the label from the rationale would be to copy it.
    """
    parts = []
    for dimension, rationale in critique.rationales.items():
        if kept := without_verdicts(rationale or ""):
            parts.append(f"{dimension.replace('_', ' ').capitalize()}: {kept}")
    return "\n".join(parts)


def _failed(
    critique: PairwiseCritique,
    evidence: str,
    label: Label,
    pair: PreferencePair,
    options: ParrotOptions,
) -> Gate | None:
    gap = sum(
        a - b
        for a, b in zip(critique.scores_a.values(), critique.scores_b.values(), strict=True)
        if a is not None and b is not None
    )
    if (gap if label == "A" else -gap) < options.gap - 1e-9:
        return "score order"
    if not options.min_words <= len(evidence.split()) <= options.max_words:
        return "length"
    if _says(_THIRD, critique.raw, pair.instruction):
        return "third picture"
    return None


def _says(pattern: re.Pattern[str], text: str, instruction: str) -> bool:
    asked = instruction.casefold()
    return any(found.group().casefold() not in asked for found in pattern.finditer(text))


def _require(text: str, task: Task, fields: tuple[Field, ...], end: tuple[Part, ...]) -> None:
    """Require that nothing stands before the first heading, and that all are there, in order."""
    expected: list[_Name] = ["analysis", "judgement"]
    for dimension in dimensions_of(task):
        expected += [dimension, *fields]
    headings = [read_heading(line) for line in text.strip().splitlines()]
    found = iter([h.dimension or h.label for h in headings if h])
    if headings[0] is None or not all(name in found for name in (*expected, *end)):
        raise CriticUnreadable("its headings are not those of the answer format", text)
