"""Rationales: the teacher's answers, read, and the checks that need no second opinion."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from rr_refine.errors import CriticAnswerError
from rr_refine.reward.comparison import PairwiseCritique
from rr_refine.reward.preferences.pair import Label, Order, PreferencePair, exchange
from rr_refine.training.parrot.evidence import evidence_of
from rr_refine.training.parrot.layout import read_pairwise
from rr_refine.training.parrot.options import ParrotOptions
from rr_refine.training.parrot.teacher import TeacherAnswer

__all__ = ["GATES", "Gate", "Rationale", "gives_away", "read_rationale"]

Gate = Literal["finish", "format", "score order", "length", "leak", "third picture", "prediction"]
GATES: Final[tuple[Gate, ...]] = get_args(Gate)
"""In the order in which they are passed; the first that fails is the reason."""

_LEAK: Final = re.compile(
    r"""
      \b(?:human|annotator|rater|voter|evaluator)s?(?:['’]s?)?\s
        (?:preferences?|choices?|labels?|ratings?|votes?|prefer(?:red|s)?|chose|picked|voted)\b
    | \bpeople\s(?:preferred|voted|chose\s(?:image|picture|edit))\b
    | \bprefer(?:red|ence)\s(?:by|of)\s(?:humans?|people|users|annotators|raters|voters|others)\b
    | \b(?:given|provided|known|gold|ground[-\s]truth)\s
        (?:labels?|preferences?|verdicts?|winners?|outcomes?)\b
    | \bground[-\s]truth\b | \bannotators?\b
    | \b(?:preferred|chosen|preference)\s(?:answer|label|option)\b
    | \b(?:i|we)\s(?:was|were|am|are|have\sbeen)\s(?:told|informed)\b
    | \baccording\sto\sthe\s(?:label|preference|hint|note|reference)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Signs that the writer was told the outcome."""

_THIRD: Final = re.compile(
    r"\b(?i:image|picture|edit)\s[C-Z]\b"
    r"|\b(?i:(?:third|fourth)\s(?:image|picture|edit)|(?:all\s)?three\s(?:edits|candidates))\b"
)
"""A picture that was never shown. A source picture makes three pictures, but not three edits."""


@dataclass(frozen=True, slots=True)
class Rationale:
    """One answer about a pair, read."""

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
    """The first gate that its text does not pass. `prediction` is never one of them."""

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
    try:
        critique = read_pairwise(answer.text, pair.task)
    except CriticAnswerError:
        return Rationale(id, pair, order, answer, failed="format")
    evidence = evidence_of(critique)
    failed = _failed(critique, evidence, exchange(pair.label, order), pair, options)
    return Rationale(id, pair, order, answer, critique, evidence, failed)


def gives_away(text: str, instruction: str) -> bool:
    """Whether a text betrays that its writer was told the outcome.

    What the user's own request says is no sign of it.
    """
    return _says(_LEAK, text, instruction)


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
    if gives_away(critique.raw, pair.instruction):
        return "leak"
    if _says(_THIRD, critique.raw, pair.instruction):
        return "third picture"
    return None


def _says(pattern: re.Pattern[str], text: str, instruction: str) -> bool:
    asked = instruction.casefold()
    return any(found.group().casefold() not in asked for found in pattern.finditer(text))
