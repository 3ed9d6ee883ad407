"""Rationales of a teacher that knows what is true of two pictures, and errs at known rates.

How it errs, and why so: see `rr_refine.sketch.training.critic.teacher`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final, TypeAlias

from rr_refine.reward.preferences.pair import Side
from rr_refine.sketch.checking import Asked, RequestedEdit, scores_of
from rr_refine.sketch.observation import Observation, observation_of
from rr_refine.sketch.oracle.grading import Grade
from rr_refine.sketch.plan import plan
from rr_refine.sketch.training.critic.faults import Fault, FaultRates, invent, misread
from rr_refine.sketch.training.critic.reader import shown
from rr_refine.sketch.training.critic.wording import (
    WrittenJudgement,
    comparison_text,
    critique_text,
    quality_words,
)
from rr_refine.terms import SCORE_MIN, Dimension

if TYPE_CHECKING:
    _Two: TypeAlias = tuple[WrittenJudgement, WrittenJudgement]

__all__ = [
    "TeacherText",
    "compare",
    "free_critique",
    "judgement_of",
    "project",
]

_LEAD: Final = 0.25
"""By how much, summed over the dimensions, the better picture should lead; with less, nothing that
was seen speaks for it."""
_INVENTIONS: Final = ("fault", "fault", "merit", "drawing", "fault", "fault")
"""What is made up to turn a verdict, until it turns."""


@dataclass(frozen=True, slots=True)
class TeacherText:
    """An answer, and what is wrong with it."""

    text: str
    truth: Fault | None
    """None: all that is described is there."""


def judgement_of(grade: Grade) -> WrittenJudgement:
    """What the oracle thinks of a picture: what it shows and its scores, without errors."""
    observed = observation_of(grade.reading)
    return WrittenJudgement(
        observed, {d: None if s is None else round(s, 1) for d, s in grade.scores.items()}
    )


def compare(
    asked: Asked,
    a: WrittenJudgement,
    b: WrittenJudgement,
    label: Side | None,
    rates: FaultRates,
    random: Random,
) -> TeacherText:
    """Compare two pictures, of which `a` and `b` are true.

    With a label, as one who knows which was preferred (phase 1); without, as one who is told
    nothing: the baseline of direct distillation.
    """
    true = (a, b)
    fault = _drawn_fault(random, rates)
    if label and fault is None and random.random() < rates.ignores_label:
        fault = "label ignored"
    if fault == "vague":
        return TeacherText(comparison_text(asked, *_suited(_blurred(true), label)), fault)
    seen = (_first_look(asked, a, rates, random), _first_look(asked, b, rates, random))
    if label and not _supports(seen, label) and random.random() < rates.second_look:
        seen = true
    if fault == "hallucination":
        seen = _suited(_hallucinated(asked, seen, random), label)
    elif label and fault == "label ignored":
        seen = _argued(asked, seen, "B" if label == "A" else "A", random)
    elif label and not _supports(seen, label) and random.random() < rates.gives_in:
        fault, seen = "rationalised", _argued(asked, seen, label, random)
    return TeacherText(comparison_text(asked, *seen), _truth(seen, true, fault or "misread"))


def free_critique(
    asked: Asked, true: WrittenJudgement, rates: FaultRates, random: Random
) -> TeacherText:
    """Judge one picture as one who is told nothing."""
    fault = _drawn_fault(random, rates)
    if fault == "vague":
        return TeacherText(critique_text(asked, WrittenJudgement(None, true.scores)), fault)
    seen = _first_look(asked, true, rates, random)
    if fault:
        seen = _believing(asked, seen, invent(_sight(seen), random))
    return TeacherText(critique_text(asked, seen), _truth((seen,), (true,), fault or "misread"))


def project(
    asked: Asked,
    true: WrittenJudgement,
    side: Side,
    rationale: str,
    scores: Mapping[Dimension, float | None],
    rates: FaultRates,
    random: Random,
) -> TeacherText:
    """Judge one picture of a pair alone, led by what the comparison said of it.

    `side` is what the rationale, a comparison, calls the picture, and `scores` are those that it
    gave it.
    """
    told = shown(rationale, f"Image {side}")
    if told is None:
        seen = _first_look(asked, true, rates, random)
    elif told != true.observation and random.random() < rates.second_look:
        seen = true
    else:
        seen = WrittenJudgement(told, {d: scores[d] for d in true.scores})
    return TeacherText(critique_text(asked, seen), _truth((seen,), (true,), "hallucination"))


def _drawn_fault(random: Random, rates: FaultRates) -> Fault | None:
    """A fault that comes with the label and without."""
    chance = random.random()
    if chance < rates.vague:
        return "vague"
    return "hallucination" if chance < rates.vague + rates.hallucinates else None


def _first_look(
    asked: Asked, true: WrittenJudgement, rates: FaultRates, random: Random
) -> WrittenJudgement:
    """What is seen of a picture at first."""
    if random.random() >= rates.misreads:
        return true
    return _believing(asked, true, misread(_sight(true), random))


def _hallucinated(asked: Asked, seen: _Two, random: Random) -> _Two:
    """With something in one of the pictures that is not there."""
    a, b = seen
    if random.random() < 0.5:
        return _believing(asked, a, invent(_sight(a), random)), b
    return a, _believing(asked, b, invent(_sight(b), random))


def _argued(asked: Asked, seen: _Two, aim: Side, random: Random) -> _Two:
    """With as much made up as it takes for `aim` to lead.

    Faults of the other picture; then that `aim` is all that was asked for; then that it is the one
    that is better drawn.
    """
    better, worse = seen if aim == "A" else seen[::-1]
    for invention in _INVENTIONS:
        if _supports((better, worse), "A"):
            break
        if invention == "fault":
            worse = _believing(asked, worse, invent(_sight(worse), random))
        elif invention == "merit":
            better = _believing(asked, better, _ideal(asked, _sight(better)))
        else:
            qualities = sorted((_quality(worse), _quality(better)))
            worse = _believing(asked, worse, _sight(worse), qualities[0])
            better = _believing(asked, better, _sight(better), qualities[1])
    return (better, worse) if aim == "A" else (worse, better)


def _ideal(asked: Asked, observed: Observation) -> Observation:
    """What would have been right."""
    if isinstance(asked, RequestedEdit):
        return observation_of(asked.expected)
    target = plan(asked, observed)
    return observation_of(target) if target else observed


def _believing(
    asked: Asked, judgement: WrittenJudgement, observed: Observation, quality: float | None = None
) -> WrittenJudgement:
    """The judgement of one who sees `observed` in the same picture."""
    return WrittenJudgement(observed, scores_of(asked, observed, quality or _quality(judgement)))


def _quality(judgement: WrittenJudgement) -> float:
    return judgement.scores["physical_quality"] or SCORE_MIN


def _supports(seen: _Two, label: Side) -> bool:
    """Do the scores speak for `label`?"""
    a, b = (sum(score or 0.0 for score in judgement.scores.values()) for judgement in seen)
    return (a - b if label == "A" else b - a) >= _LEAD - 1e-9


def _suited(seen: _Two, label: Side | None) -> _Two:
    """The same observations with the scores exchanged where they do not speak for `label`."""
    a, b = seen
    if label is None or _supports(seen, label):
        return seen
    return WrittenJudgement(a.observation, b.scores), WrittenJudgement(b.observation, a.scores)


def _blurred(true: _Two) -> _Two:
    """The same scores, and nothing definite seen."""
    a, b = true
    return WrittenJudgement(None, a.scores), WrittenJudgement(None, b.scores)


def _truth(
    seen: tuple[WrittenJudgement, ...], true: tuple[WrittenJudgement, ...], fault: Fault
) -> Fault | None:
    """`fault`, if anything is described that is not so."""
    described = [(o.observation, quality_words(_quality(o))) for o in seen]
    there = [(o.observation, quality_words(_quality(o))) for o in true]
    return fault if described != there else None


def _sight(judgement: WrittenJudgement) -> Observation:
    """What is seen; only who is vague, in the end, sees nothing definite."""
    assert judgement.observation is not None
    return judgement.observation
