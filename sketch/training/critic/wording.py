"""What a critic of the sketch world writes: the answer format in few, true and simple words.

Everything is written out before it is scored: first what is asked for, then what is seen, then
each requirement held against it, so that a small model can copy and compare instead of guess.
The words are a closed set.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rr_refine.reward.answer_format import write_comparison, write_critique
from rr_refine.sketch.checking import (
    Asked,
    RequestedEdit,
    RequirementCheck,
    check,
    edit_progress,
    missed,
    not_kept,
)
from rr_refine.sketch.observation import Observation, describe_observation, observation_of
from rr_refine.sketch.plan import describe_plan, plan, plan_edit
from rr_refine.sketch.world.edit import KEEP_REST, phrase_edit
from rr_refine.sketch.world.phrasing import dense, describe, phrase
from rr_refine.sketch.world.request import COUNTS, NOTHING_ELSE, SceneRequest, requirements
from rr_refine.terms import Dimension

__all__ = [
    "FIXED_PIECES",
    "HEADINGS",
    "REFINE_BELOW",
    "SEEN_IN",
    "WrittenJudgement",
    "comparison_text",
    "critique_text",
    "quality_words",
]

REFINE_BELOW: Final = 3.0
"""A better request is proposed if any applicable score is below: the paper's trigger."""

SEEN_IN: Final = ("The picture", "Image A", "Image B")
"""How a picture is called: alone, and one of two."""

HEADINGS: Final = (
    "# User Request Analysis",
    "# Detailed Judgement",
    "1. Text Faithfulness:",
    "2. Image Faithfulness:",
    "2. Physical and Visual Quality:",
    "3. Physical and Visual Quality:",
    "3. Text Rendering:",
    "4. Text Rendering:",
    "## Justification:",
    "## Score:",
    "## Score A:",
    "## Score B:",
    "## Winner:",
    "# Summary:",
    "# User Request Refinement:",
    "## Refinement Comments:",
    "## Refined Request:",
)
"""Every heading that a critic of the sketch world writes."""

_QUALITY: Final = (
    (3.5, "is clean"),
    (2.5, "is slightly rough"),
    (1.5, "is rough"),
    (0.0, "is broken"),
)
"""The least score of physical quality that each is said of."""
_ALL_MET: Final = "Nothing is missed."
_TOO_MUCH: Final = "There is more than asked."
_MADE: Final = "The change was made."
_NOT_MADE: Final = "The change was not made."
_HALF_MADE: Final = "The change was made in part."
_KEPT: Final = "The rest was kept."
_NOT_KEPT: Final = "The rest was not kept."
_NO_TEXT: Final = "No text was asked for."
_VAGUE: Final = "It fits the request in part."
_WINS: Final = ("Image A is better.", "Image B is better.", "Neither image is better.")
_IN_FULL: Final = "Ask for the same in full."
_MEND: Final = "Mend:"
_PLAN: Final = "Plan:"
_STAYS: Final = "Say that the rest stays."
_FINE: Final = "Nothing to improve."

FIXED_PIECES: Final = (
    *HEADINGS,
    *(f"{name} {verb}:" for name in SEEN_IN for verb in ("shows", "lost")),
    *(f"{name} keeps everything else." for name in SEEN_IN),
    *(f"{name} gained something." for name in SEEN_IN),
    *(f"{name} {words}." for name in SEEN_IN for _, words in _QUALITY),
    *(f"{name} shows some shapes. {_VAGUE}" for name in SEEN_IN),
    "The request asks for",
    "The request is to",
    "The source shows:",
    "Wanted:",
    "Checked:",
    "Missed:",
    _ALL_MET,
    _TOO_MUCH,
    _MADE,
    _NOT_MADE,
    _HALF_MADE,
    _KEPT,
    _NOT_KEPT,
    _NO_TEXT,
    *_WINS,
    _IN_FULL,
    _MEND,
    _PLAN,
    _STAYS,
    _FINE,
    NOTHING_ELSE,
    KEEP_REST,
)
"""Constant pieces of what is written, long and common enough to be tokens of their own."""


@dataclass(frozen=True, slots=True)
class WrittenJudgement:
    """What somebody thinks of one picture."""

    observation: Observation | None
    """What it is believed to show; None where nothing definite is said: a vague critic."""
    scores: dict[Dimension, float | None]
    """The dimensions of the task in order, in [1, 4] with one decimal; None is N/A."""

    @property
    def total(self) -> float:
        """Mean of the applicable scores."""
        scored = [score for score in self.scores.values() if score is not None]
        return sum(scored) / len(scored)

    @property
    def improvable(self) -> bool:
        """Is any applicable score below `REFINE_BELOW`?"""
        return any(score is not None and score < REFINE_BELOW for score in self.scores.values())


def critique_text(asked: Asked, judgement: WrittenJudgement) -> str:
    """A pointwise answer."""
    refined, comments = (
        _refinement(asked, judgement.observation) if judgement.improvable else (None, _FINE)
    )
    return write_critique(
        judgement.scores,
        refined,
        why={
            dimension: _reason(dimension, asked, judgement, SEEN_IN[0])
            for dimension in judgement.scores
        },
        analysis=_analysis(asked),
        summary=_summary(asked, judgement.observation),
        comments=comments,
    )


def comparison_text(asked: Asked, a: WrittenJudgement, b: WrittenJudgement) -> str:
    """A pairwise answer: what is said of each picture, one after the other."""
    why = {}
    for dimension in a.scores:
        reasons = [
            _reason(dimension, asked, judgement, name)
            for judgement, name in zip((a, b), SEEN_IN[1:], strict=True)
        ]
        why[dimension] = " ".join(dict.fromkeys(reasons))
    sums = [sum(score or 0 for score in judgement.scores.values()) for judgement in (a, b)]
    gap = round(sums[0] - sums[1], 1)
    return write_comparison(
        a.scores,
        b.scores,
        why=why,
        analysis=_analysis(asked),
        summary=_WINS[0 if gap > 0 else 1 if gap < 0 else 2],
    )


def quality_words(score: float) -> str:
    """What is said of a picture with this score of physical quality: `is clean`."""
    return next(words for least, words in _QUALITY if score >= least)


def _analysis(asked: Asked) -> str:
    if isinstance(asked, RequestedEdit):
        wish = phrase_edit(asked.edit, asked.source, dense=True).removesuffix(f"; {KEEP_REST}")
        shown, wanted = (
            describe_observation(observation_of(scene)) for scene in (asked.source, asked.expected)
        )
        return f"The source shows: {shown}. The request is to {wish}. Wanted: {wanted}."
    *things, last = requirements(asked)
    return f"The request asks for {', '.join(things)} and {last}."


def _reason(dimension: Dimension, asked: Asked, judgement: WrittenJudgement, name: str) -> str:
    """The justification of one score."""
    observed, score = judgement.observation, judgement.scores[dimension]
    if score is None:
        return _NO_TEXT
    if observed is None:
        return f"{name} shows some shapes. {_VAGUE}"
    if dimension == "physical_quality":
        return f"{name} {quality_words(score)}."
    if dimension == "text_rendering":
        return f"{name} {_read_in(observed)}."
    if dimension == "image_faithfulness":
        assert isinstance(asked, RequestedEdit)
        return _kept(name, asked, observed)
    if isinstance(asked, RequestedEdit):
        # Held against all that is wanted, thing by thing: a verdict on two whole pictures at once
        # is more than a small student learns, which then says that every change was made.
        verdict = f"{_listed(check(dense(asked.expected), observed))} {_made(asked, observed)}"
    else:
        verdict = _checked(asked, observed)
    return f"{name} shows: {describe_observation(observed)}. {verdict}"


def _checked(request: SceneRequest, observed: Observation) -> str:
    misses = missed(request, observed)
    named = [phrase for phrase in misses if phrase != NOTHING_ELSE]
    verdict = [f"Missed: {'; '.join(named)}."] if named else []
    verdict += [_TOO_MUCH] if NOTHING_ELSE in misses else []
    return f"{_listed(check(request, observed))} {' '.join(verdict or [_ALL_MET])}"


def _listed(checks: Iterable[RequirementCheck]) -> str:
    return f"Checked: {', '.join(map(str, checks))}."


def _made(change: RequestedEdit, observed: Observation) -> str:
    made = edit_progress(change, observed)
    if not made.undone:
        return _MADE
    return _NOT_MADE if made.undone == made.parts else _HALF_MADE


def _kept(name: str, change: RequestedEdit, observed: Observation) -> str:
    gone = not_kept(change, observed)
    named = [phrase for phrase in gone if phrase != NOTHING_ELSE]
    said = [f"{name} lost: {'; '.join(named)}."] if named else []
    said += [f"{name} gained something."] if NOTHING_ELSE in gone else []
    return " ".join(said) or f"{name} keeps everything else."


def _read_in(observed: Observation) -> str:
    if observed.lettering:
        return f"reads {observed.lettering.word}"
    return "has unclear letters" if observed.unclear_letters else "has no word"


def _summary(asked: Asked, observed: Observation | None) -> str:
    if observed is None:
        return _VAGUE
    if isinstance(asked, RequestedEdit):
        return f"{_made(asked, observed)} {_NOT_KEPT if not_kept(asked, observed) else _KEPT}"
    checks = check(asked, observed)
    misses = sum(not one.met for one in checks)
    if not misses:
        return f"All {COUNTS[len(checks)]} requirements are met."
    verb = "is" if misses == 1 else "are"
    return f"{COUNTS[misses].capitalize()} of {COUNTS[len(checks)]} requirements {verb} missed."


def _refinement(asked: Asked, observed: Observation | None) -> tuple[str, str]:
    """The proposed request, and what it is to mend."""
    if isinstance(asked, RequestedEdit):
        kept = observed is None or not not_kept(asked, observed)
        return plan_edit(asked), _IN_FULL if kept else _STAYS
    target = plan(asked, observed) if observed else None
    if target is None or observed is None:  # vague, or asked for what cannot be
        return phrase(asked, "terse"), _IN_FULL
    wrong = missed(asked, observed)
    comments = f"{_MEND} {'; '.join(wrong)}." if wrong else _IN_FULL
    return describe(target), f"{comments} {_PLAN} {describe_plan(asked, target, observed)}."
