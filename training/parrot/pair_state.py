"""How far one pair has come through the phases, by the teacher's answers so far.

It is a pure function of these answers, so there is nothing to resume: computed again, it is the
same, and names the questions that are still open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from rr_refine.errors import CriticAnswerError
from rr_refine.reward.preferences.pair import Order, PictureStore, PreferencePair, Side, exchange
from rr_refine.training.parrot.config import ParrotOptions, Variant
from rr_refine.training.parrot.consistency import (
    ConsistencyCheck,
    baseline_questions,
    check_consistency,
    predict_questions,
    text_fault,
)
from rr_refine.training.parrot.projection import Projection, project_question, read_projections
from rr_refine.training.parrot.rationale import (
    Rationale,
    read_pairwise,
    read_pointwise,
    read_rationale,
)
from rr_refine.training.parrot.teacher import TeacherAnswer, TeacherQuestion

__all__ = ["DirectAnswer", "Lookup", "PairState"]

Lookup: TypeAlias = Callable[[TeacherQuestion], TeacherAnswer | None]
"""The answer to a question, if there is one."""

_OTHER: Final[dict[Variant, Variant]] = {"predictive": "paper", "paper": "predictive"}


@dataclass(frozen=True, slots=True)
class DirectAnswer:
    """What the teacher says without knowing the label; for the ablation."""

    id: str
    side: Side | None
    """The picture that was judged alone; None for a comparison."""
    answer: TeacherAnswer
    readable: bool
    """Whether it ended by itself and has the right layout; nothing else is checked."""


class PairState:
    """One pair, taken as far as the answers allow.

    Args:
        teaches: False for a pair that is left out; it stays where it is, as one without a
            preference does.
    """

    def __init__(
        self,
        pair: PreferencePair,
        lookup: Lookup,
        pictures: PictureStore,
        options: ParrotOptions,
        *,
        teaches: bool = True,
    ) -> None:
        self.pair = pair
        self._lookup = lookup
        self._pictures = pictures
        self._options = options
        self.rationales: list[Rationale] = []
        self.checks: dict[Variant, list[ConsistencyCheck]] = {}
        """Of each filter that was asked for, in the order of the rationales."""
        self.kept: list[Rationale] = []
        """By the filter that decides; one per order at most."""
        self.projections: list[Projection] = []
        """Of the first kept rationale; good ones and others."""
        self.direct: list[DirectAnswer] = []
        self.refused: list[TeacherAnswer] = []
        """Answers that are none; see `TeacherAnswer.lost`."""
        self.owed: list[TeacherQuestion] = []
        """What has to be answered to get on; more may follow from the answers."""
        self.teaches = teaches and pair.label != "tie"
        if self.teaches:
            self._advance()

    def _advance(self) -> None:
        orders: tuple[Order, ...] = ("AB", "BA") if self._options.both_orders else ("AB",)
        for order in orders:
            for attempt in range(self._options.attempts):
                if not self._try(order, attempt):
                    break
        if self._options.project and self.kept:
            self._project(self.kept[0])
        if self._options.direct:
            self._ask_directly()

    def _try(self, order: Order, attempt: int) -> bool:
        """One rationale and its checks. Gives whether a further attempt is due."""
        pair = self.pair
        question = TeacherQuestion(
            id=f"{pair.id}:{order}:{attempt}",
            kind="anchor",
            task=pair.task,
            instruction=pair.instruction,
            source=self._pictures.source(pair),
            image_a=self._pictures.path(pair.image("A", order)),
            image_b=self._pictures.path(pair.image("B", order)),
            label=exchange(pair.label, order),
        )
        answers = self._answers([question])
        if not answers:
            return False
        if answers[0].lost:
            return True
        rationale = read_rationale(question.id, pair, order, answers[0], self._options)
        self.rationales.append(rationale)
        check = self._check(rationale, self._options.variant)
        if self._options.compare:
            self._check(rationale, _OTHER[self._options.variant])
        if check is not None and check.kept:
            self.kept.append(rationale)
        return check is not None and not check.kept

    def _check(self, rationale: Rationale, variant: Variant) -> ConsistencyCheck | None:
        """What one filter says, or None if its questions are owed."""
        if reason := text_fault(rationale, variant):
            check = ConsistencyCheck(rationale, variant, reason)
        else:
            asked = predict_questions(rationale, variant, self._pictures)
            alone: list[TeacherQuestion] = []
            if variant == "predictive" and self._options.baseline:
                alone = baseline_questions(self.pair, self._pictures)
            answers = self._answers([*asked, *alone])
            if not answers:
                return None
            with_it, without = answers[: len(asked)], answers[len(asked) :]
            check = check_consistency(rationale, variant, with_it, self._options, without)
        self.checks.setdefault(variant, []).append(check)
        return check

    def _project(self, rationale: Rationale) -> None:
        sides: tuple[Side, ...] = ("A", "B")
        questions = [project_question(rationale, side, self._pictures) for side in sides]
        if answers := self._answers(questions):
            a, b = answers
            self.projections += read_projections(rationale, a, b, self._options)

    def _ask_directly(self) -> None:
        pair = self.pair
        sides: tuple[Side | None, ...] = (None, "A", "B")
        for side in sides:
            question = TeacherQuestion(
                id=f"{pair.id}:{side or 'both'}",
                kind="judge",
                task=pair.task,
                instruction=pair.instruction,
                source=self._pictures.source(pair),
                image_a=self._pictures.path(pair.image(side or "A")),
                image_b=self._pictures.path(pair.image_b) if side is None else None,
            )
            for answer in self._answers([question]):
                if answer.lost:
                    continue
                readable = _readable(answer, pair, side)
                self.direct.append(DirectAnswer(question.id, side, answer, readable))

    def _answers(self, questions: Sequence[TeacherQuestion]) -> list[TeacherAnswer]:
        """All answers, or none and a note of what is owed."""
        found = [(question, self._lookup(question)) for question in questions]
        owed = [question for question, answer in found if answer is None]
        self.owed += [question for question in owed if question not in self.owed]
        answers = [answer for _, answer in found if answer is not None]
        self.refused += [answer for answer in answers if answer.lost]
        return [] if owed else answers


def _readable(answer: TeacherAnswer, pair: PreferencePair, side: Side | None) -> bool:
    read = read_pairwise if side is None else read_pointwise
    try:
        read(answer.text, pair.task)
    except CriticAnswerError:
        return False
    return answer.finish_reason == "stop"
