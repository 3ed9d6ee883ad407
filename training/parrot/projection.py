"""Projection: a kept rationale about two pictures becomes two judgements of one picture each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import fmean
from typing import Final, Literal

from rr_refine.errors import CriticAnswerError
from rr_refine.reward.critique import Critique
from rr_refine.reward.preferences.pair import PictureStore, Side
from rr_refine.training.parrot.config import ParrotOptions
from rr_refine.training.parrot.rationale import Rationale, read_pointwise
from rr_refine.training.parrot.sentences import gives_away
from rr_refine.training.parrot.teacher import TeacherAnswer, TeacherQuestion

__all__ = ["Fault", "Projection", "project_question", "read_projections"]

Fault = Literal["refused", "finish", "format", "scores", "leak", "comparison", "order"]
"""Why a projection is dropped: there is none, cut off, unreadable, too far from the comparison's
scores, it betrays the label, it mentions the other picture, or the two scores are in the wrong
order."""

_COMPARISON: Final = re.compile(
    r"\b(?i:image|picture|edit)\s[AB]\b|\b(?i:the\sother|the\ssecond|both)\s(?i:images?|pictures?|edits?)\b"
    r"|\b(?i:in\s(?:the|a|an\searlier)\scomparison)\b"
)


@dataclass(frozen=True, slots=True)
class Projection:
    """One picture of a pair, judged alone."""

    rationale: Rationale
    side: Side
    """What the rationale calls the picture."""
    answer: TeacherAnswer
    critique: Critique | None = None
    fault: Fault | None = None

    @property
    def image(self) -> str:
        """The picture's key."""
        return self.rationale.pair.image(self.side, self.rationale.order)

    @property
    def id(self) -> str:
        """Of the question that it answers."""
        return f"{self.rationale.id}:{self.side}"


def project_question(rationale: Rationale, side: Side, pictures: PictureStore) -> TeacherQuestion:
    """The question about one picture, with what the kept rationale says of it.

    Raises:
        ValueError: the rationale could not be read.
    """
    pair, critique = rationale.pair, rationale.critique
    if critique is None:
        raise ValueError("only a rationale that was read can be projected")
    return TeacherQuestion(
        id=f"{rationale.id}:{side}",
        kind="project",
        task=pair.task,
        instruction=pair.instruction,
        source=pictures.source(pair),
        image_a=pictures.path(pair.image(side, rationale.order)),
        rationale="\n".join(
            f"{dimension.replace('_', ' ').capitalize()}: {text}"
            for dimension, text in critique.rationales.items()
            if text
        ),
        side=side,
        scores=critique.scores_a if side == "A" else critique.scores_b,
    )


def read_projections(
    rationale: Rationale, a: TeacherAnswer, b: TeacherAnswer, options: ParrotOptions
) -> tuple[Projection, Projection]:
    """Read both answers and check them.

    One may be kept without the other; but where both are good and their means contradict the
    label, none is.
    """
    first = _read(rationale, "A", a, options)
    second = _read(rationale, "B", b, options)
    if first.fault or second.fault or first.critique is None or second.critique is None:
        return first, second
    lead = _mean(first.critique) - _mean(second.critique)
    if (lead if rationale.label == "A" else -lead) > 0:
        return first, second
    return (
        Projection(rationale, "A", a, first.critique, "order"),
        Projection(rationale, "B", b, second.critique, "order"),
    )


def _read(
    rationale: Rationale, side: Side, answer: TeacherAnswer, options: ParrotOptions
) -> Projection:
    pair = rationale.pair
    if answer.lost:
        return Projection(rationale, side, answer, fault="refused")
    if answer.finish_reason != "stop":
        return Projection(rationale, side, answer, fault="finish")
    try:
        critique = read_pointwise(answer.text, pair.task)
    except CriticAnswerError:
        return Projection(rationale, side, answer, fault="format")
    fault: Fault | None = None
    if not _close(critique, rationale, side, options.tolerance):
        fault = "scores"
    elif gives_away(answer.text, pair.instruction):
        fault = "leak"
    elif any(m.group() not in pair.instruction for m in _COMPARISON.finditer(answer.text)):
        fault = "comparison"
    return Projection(rationale, side, answer, critique, fault)


def _close(critique: Critique, rationale: Rationale, side: Side, tolerance: float) -> bool:
    """Whether every dimension is scored as in the comparison, or N/A as there."""
    pairwise = rationale.critique
    if pairwise is None:
        return False
    expected = pairwise.scores_a if side == "A" else pairwise.scores_b
    for dimension, score in critique.scores.items():
        other = expected[dimension]
        if score is None or other is None:
            if score is not other:
                return False
        elif abs(score - other) > tolerance + 1e-9:
            return False
    return True


def _mean(critique: Critique) -> float:
    return fmean(score for score in critique.scores.values() if score is not None)
