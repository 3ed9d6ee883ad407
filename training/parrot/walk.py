"""The walk of a pair through all phases, as far as its answers go.

It is a pure function of what the teacher has answered. So there is nothing to resume: whoever
walks a pair again gets to the same place, and sees which questions are still owed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from rr_refine.errors import CriticAnswerError
from rr_refine.reward.preferences.pair import Order, PictureStore, PreferencePair, Side, exchange
from rr_refine.training.parrot.consistency import Verdict, judge, predict_questions, text_fault
from rr_refine.training.parrot.layout import read_pairwise, read_pointwise
from rr_refine.training.parrot.options import ParrotOptions, Variant
from rr_refine.training.parrot.projection import Projection, project_question, read_projections
from rr_refine.training.parrot.rationale import Rationale, read_rationale
from rr_refine.training.parrot.teacher import TeacherAnswer, TeacherQuestion

__all__ = ["Direct", "Lookup", "Walk", "walk"]

Lookup: TypeAlias = Callable[[TeacherQuestion], TeacherAnswer | None]
"""The answer to a question, if there is one."""

_OTHER: Final[dict[Variant, Variant]] = {"predictive": "paper", "paper": "predictive"}


@dataclass(frozen=True, slots=True)
class Direct:
    """What the teacher says without knowing the label; for the ablation."""

    id: str
    side: Side | None
    """The picture that was judged alone; None for a comparison."""
    answer: TeacherAnswer
    readable: bool
    """It ended by itself and has the right layout. Nothing else is asked of it."""


@dataclass(slots=True)
class Walk:
    """How far a pair has come."""

    pair: PreferencePair
    rationales: list[Rationale] = field(default_factory=list)
    verdicts: dict[Variant, list[Verdict]] = field(default_factory=dict)
    """Of each filter that was asked for, in the order of the rationales."""
    kept: list[Verdict] = field(default_factory=list)
    """By the filter that decides; one per order at most."""
    projections: list[Projection] = field(default_factory=list)
    """Of the first kept rationale; good ones and others."""
    direct: list[Direct] = field(default_factory=list)
    owed: list[TeacherQuestion] = field(default_factory=list)
    """What has to be answered to get on; more may follow from the answers."""


def walk(
    pair: PreferencePair, lookup: Lookup, pictures: PictureStore, options: ParrotOptions
) -> Walk:
    """Walk as far as the answers go. A pair without a preference gets nowhere."""
    state = Walk(pair)
    if pair.label != "tie":
        _Walker(state, lookup, pictures, options).go()
    return state


class _Walker:
    """The phases, each of which looks its answers up and notes what is owed."""

    def __init__(
        self, state: Walk, lookup: Lookup, pictures: PictureStore, options: ParrotOptions
    ) -> None:
        self._state = state
        self._lookup = lookup
        self._pictures = pictures
        self._options = options

    def go(self) -> None:
        orders: tuple[Order, ...] = ("AB", "BA") if self._options.both_orders else ("AB",)
        for order in orders:
            for attempt in range(self._options.attempts):
                if not self._try(order, attempt):
                    break
        if self._options.project and self._state.kept:
            self._project(self._state.kept[0].rationale)
        if self._options.direct:
            self._judge()

    def _try(self, order: Order, attempt: int) -> bool:
        """One rationale and its verdicts. Gives whether a further attempt is due."""
        pair = self._state.pair
        question = TeacherQuestion(
            id=f"{pair.id}:{order}:{attempt}",
            kind="anchor",
            task=pair.task,
            instruction=pair.instruction,
            source=self._source(),
            image_a=self._pictures.path(pair.image("A", order)),
            image_b=self._pictures.path(pair.image("B", order)),
            label=exchange(pair.label, order),
        )
        answers = self._answers([question])
        if not answers:
            return False
        rationale = read_rationale(question.id, pair, order, answers[0], self._options)
        self._state.rationales.append(rationale)
        verdict = self._verdict(rationale, self._options.variant)
        if self._options.compare:
            self._verdict(rationale, _OTHER[self._options.variant])
        if verdict is not None and verdict.kept:
            self._state.kept.append(verdict)
        return verdict is not None and not verdict.kept

    def _verdict(self, rationale: Rationale, variant: Variant) -> Verdict | None:
        """The verdict of one filter, or None if its questions are owed."""
        if reason := text_fault(rationale, variant):
            verdict = Verdict(rationale, variant, reason)
        else:
            answers = self._answers(predict_questions(rationale, variant, self._pictures))
            if not answers:
                return None
            verdict = judge(rationale, variant, answers, self._options)
        self._state.verdicts.setdefault(variant, []).append(verdict)
        return verdict

    def _project(self, rationale: Rationale) -> None:
        sides: tuple[Side, ...] = ("A", "B")
        questions = [project_question(rationale, side, self._pictures) for side in sides]
        if answers := self._answers(questions):
            a, b = answers
            self._state.projections += read_projections(rationale, a, b, self._options)

    def _judge(self) -> None:
        pair = self._state.pair
        sides: tuple[Side | None, ...] = (None, "A", "B")
        for side in sides:
            question = TeacherQuestion(
                id=f"{pair.id}:{side or 'both'}",
                kind="judge",
                task=pair.task,
                instruction=pair.instruction,
                source=self._source(),
                image_a=self._pictures.path(pair.image(side or "A")),
                image_b=self._pictures.path(pair.image_b) if side is None else None,
            )
            for answer in self._answers([question]):
                readable = _readable(answer, pair, side)
                self._state.direct.append(Direct(question.id, side, answer, readable))

    def _answers(self, questions: Sequence[TeacherQuestion]) -> list[TeacherAnswer]:
        """All answers, or none and a note of what is owed."""
        found = [(question, self._lookup(question)) for question in questions]
        owed = [question for question, answer in found if answer is None]
        self._state.owed += owed
        return [] if owed else [answer for _, answer in found if answer is not None]

    def _source(self) -> Path | None:
        key = self._state.pair.source
        return None if key is None else self._pictures.path(key)


def _readable(answer: TeacherAnswer, pair: PreferencePair, side: Side | None) -> bool:
    read = read_pairwise if side is None else read_pointwise
    try:
        read(answer.text, pair.task)
    except CriticAnswerError:
        return False
    return answer.finish_reason == "stop"
