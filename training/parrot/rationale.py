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
from rr_refine.training.parrot.teacher import TeacherAnswer

__all__ = [
    "GATES",
    "Gate",
    "Rationale",
    "evidence_of",
    "gives_away",
    "read_pairwise",
    "read_pointwise",
    "read_rationale",
]

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


_CLAUSE: Final = re.compile(
    r"(?<=[.!?;])\s+|\n+|,\s+(?=(?:so|thus|hence|therefore|which|giving|earning|making|leading)\b)"
)
"""Where one statement ends. `3.5` is not split, as no space follows the point."""

_DECISION: Final = re.compile(
    r"""
      \b[1-4]\.\d\b | \b[1-4]\s?(?:/|out\sof)\s?4\b
    | \b(?:scor(?:e[sd]?|ing)|rat(?:ed|ings?)|anchor(?:s|ed)?)\b
    | \b(?:winners?|wins|won|winning|victory|verdict)\b
    | \bprefer(?:s|red|able|ence)?\b | \b(?:better|best|stronger|superior)\soverall\b
    | \boverall,?\s(?:image\s)?[AB]\b | \b(?:it['’]s\sa|it\sis\sa|a)\s(?:tie|draw)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""A statement of a score or of a decision."""

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
        if kept := " ".join(s for s in _CLAUSE.split(rationale or "") if not _DECISION.search(s)):
            parts.append(f"{dimension.replace('_', ' ').capitalize()}: {kept}")
    return "\n".join(parts)


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


def _require(text: str, task: Task, fields: tuple[Field, ...], end: tuple[Part, ...]) -> None:
    """Require that nothing stands before the first heading, and that all are there, in order."""
    expected: list[_Name] = ["analysis", "judgement"]
    for dimension in dimensions_of(task):
        expected += [dimension, *fields]
    headings = [read_heading(line) for line in text.strip().splitlines()]
    found = iter([h.dimension or h.label for h in headings if h])
    if headings[0] is None or not all(name in found for name in (*expected, *end)):
        raise CriticUnreadable("its headings are not those of the answer format", text)
