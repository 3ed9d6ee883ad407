"""Predictive consistency (phase 2): does the label follow from the rationale?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from rr_refine.reward.preferences.pair import Label, Order, PictureStore, PreferencePair
from rr_refine.training.parrot.config import ParrotOptions, Variant
from rr_refine.training.parrot.rationale import Gate, Rationale
from rr_refine.training.parrot.teacher import TeacherAnswer, TeacherQuestion

__all__ = [
    "ConsistencyCheck",
    "baseline_questions",
    "check_consistency",
    "predict_questions",
    "text_fault",
]


@dataclass(frozen=True, slots=True)
class ConsistencyCheck:
    """The result of one filter for one rationale."""

    rationale: Rationale
    variant: Variant
    reason: Gate | None
    """The first gate that the rationale did not pass; None if it is kept."""
    chance: float | None = None
    """The probability of the label, averaged over the orders; None if nobody answered."""
    baseline: float | None = None
    """The probability of the label by the pictures alone; None if it is not known."""
    flipped: bool | None = None
    """Whether the two orders disagree on the better picture; None if only one was asked."""

    @property
    def gain(self) -> float | None:
        """By how much the rationale makes the label more probable."""
        if self.chance is None or self.baseline is None:
            return None
        return self.chance - self.baseline

    @property
    def kept(self) -> bool:
        """Whether the rationale is kept."""
        return self.reason is None


def text_fault(rationale: Rationale, variant: Variant) -> Gate | None:
    """The gate that a rationale's text does not pass; the paper's filter has only the first two."""
    if variant == "paper" and rationale.critique is not None:
        return None
    return rationale.failed


def predict_questions(
    rationale: Rationale, variant: Variant, pictures: PictureStore
) -> list[TeacherQuestion]:
    """The questions that decide on a rationale whose text has passed."""
    pair = rationale.pair
    if variant == "predictive":
        return _in_both_orders(rationale.id, pair, rationale.order, rationale.evidence, pictures)
    return [
        TeacherQuestion(
            id=f"{rationale.id}:paper",
            kind="predict",
            task=pair.task,
            instruction=pair.instruction,
            rationale=rationale.answer.text,
            choices=("A", "B", "tie"),
        )
    ]


def baseline_questions(pair: PreferencePair, pictures: PictureStore) -> list[TeacherQuestion]:
    """The questions that tell how well the label follows from the pictures without a rationale."""
    return _in_both_orders(f"{pair.id}:alone", pair, "AB", "", pictures)


def _in_both_orders(
    id: str, pair: PreferencePair, named: Order, rationale: str, pictures: PictureStore
) -> list[TeacherQuestion]:
    """The questions for the label by the pictures, and by what is said of them.

    Args:
        named: how the rationale names the pictures.
    """
    orders: tuple[Order, ...] = ("AB", "BA")
    return [
        TeacherQuestion(
            id=f"{id}:{order}",
            kind="predict",
            task=pair.task,
            instruction=pair.instruction,
            source=pictures.source(pair),
            image_a=pictures.path(pair.image("A", named)),
            image_b=pictures.path(pair.image("B", named)),
            order=order,
            rationale=rationale,
            choices=("A", "B"),
        )
        for order in orders
    ]


def check_consistency(
    rationale: Rationale,
    variant: Variant,
    answers: Sequence[TeacherAnswer],
    options: ParrotOptions,
    baseline: Sequence[TeacherAnswer] = (),
) -> ConsistencyCheck:
    """Decide by the answers to `predict_questions`, and to `baseline_questions`, if there are any.

    `predictive` keeps what makes the label likely enough; `paper` what makes it the most likely
    choice (paper, Eq. 2).
    """
    if any(answer.lost for answer in answers):
        return ConsistencyCheck(rationale, variant, "prediction")
    found = [answer.chances or {} for answer in answers]
    chance = fmean(chances.get(rationale.label, 0.0) for chances in found)
    best = {_most_likely(chances) for chances in found}
    kept = best == {rationale.label} if variant == "paper" else chance >= options.tau
    check = ConsistencyCheck(
        rationale,
        variant,
        reason=None if kept else "prediction",
        chance=chance,
        baseline=_chance(rationale.pair.label, baseline),
        flipped=None if len(found) < 2 else len(best) > 1,
    )
    if kept and options.gain is not None and (check.gain or 0.0) < options.gain - 1e-9:
        return replace(check, reason="gain")
    return check


def _chance(label: Label, answers: Sequence[TeacherAnswer]) -> float | None:
    """The mean probability of a label; None without answers."""
    found = [answer.chances for answer in answers if answer.chances is not None]
    return fmean(chances.get(label, 0.0) for chances in found) if found else None


def _most_likely(chances: dict[Label, float]) -> Label | None:
    """The likeliest label; None where two are equally likely."""
    top = max(chances.values(), default=0.0)
    best = [label for label, chance in chances.items() if chance == top]
    return best[0] if len(best) == 1 else None
