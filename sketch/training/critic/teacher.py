"""The program teacher: it sees through the oracle, writes true rationales, and errs on purpose.

It stands in for a large vision-language model where there is none, so that the whole of PARROT can
be run and measured: as each fault is known, so are precision and recall of the filter. What it
shows is how the method deals with faults of these kinds at these rates. The rates are assumptions
(`FaultRates`), chosen by us, taken from no measurement of a real teacher.

How it errs:

- Every answer begins with a first look at each picture, in which a shape may be taken for another,
  or overlooked (`misreads`). It writes what it sees, and the scores follow.
- Who knows the label notices if it contradicts what was seen, and mostly looks again
  (`second_look`): that is the whole advantage of hindsight here. Slips that do not turn the
  verdict stay, with the label and without.
- Where the label still contradicts the picture, since people err too, it makes up reasons
  (`gives_in`) or writes what it sees.
- Some answers are vague, or describe what is not there, with the label and without. A teacher that
  knows the label gives scores that suit it even then. Some ignore the label (`ignores_label`).
- Predictions read text only: see `rr_refine.sketch.training.critic.reader`.
- A projection takes over what the comparison said of a picture, unless a second look shows it
  to be wrong.
"""

from __future__ import annotations

import asyncio
import math
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Final

from pydantic import JsonValue

from rr_refine.errors import CriticError
from rr_refine.pictures import load_picture
from rr_refine.plugins import parse_options
from rr_refine.reward.preferences.pair import Label
from rr_refine.sketch.checking import Asked
from rr_refine.sketch.oracle.grading import grade_picture, read_asked
from rr_refine.sketch.training.critic.faults import FaultRates
from rr_refine.sketch.training.critic.rationales import (
    TeacherText,
    compare,
    free_critique,
    judgement_of,
    project,
)
from rr_refine.sketch.training.critic.reader import predict
from rr_refine.sketch.training.critic.wording import WrittenJudgement
from rr_refine.terms import Identity
from rr_refine.training.parrot.teacher import SOUND, QuestionKind, TeacherAnswer, TeacherQuestion

__all__ = ["SketchTeacher", "SketchTeacherOptions", "create"]

_TIE: Final = 0.2
"""How easily a reader who may call it a tie does (Davidson's model)."""
_LOOKS: Final = 2048
"""Pictures that are remembered: more than those of the pairs under way."""


class SketchTeacherOptions(FaultRates):
    """The config section `[teacher]`: how often it errs, and a seed."""

    seed: int = 0
    """Another one errs elsewhere."""


def create(**options: JsonValue) -> SketchTeacher:
    """Entry point `sketch` of `rr_refine.teachers`.

    Raises:
        ConfigError: an option is unknown or out of range.
    """
    return SketchTeacher(parse_options(SketchTeacherOptions, options, "teacher"))


class SketchTeacher:
    """Teaches the sketch world. See `Teacher`.

    Its answers depend on the question alone: asked again, it says the same.
    """

    def __init__(self, options: SketchTeacherOptions | None = None) -> None:
        self._options = options or SketchTeacherOptions()
        # What a path of a `PictureStore` holds never changes.
        self._asked = lru_cache(_LOOKS)(_understood)
        self._judgement = lru_cache(_LOOKS)(self._look)

    def identify(self, kind: QuestionKind) -> Identity:
        """The seed, and the rates of faults; a prediction does not depend on these."""
        only_seed = {"seed": self._options.seed}
        details = only_seed if kind == "predict" else self._options.model_dump()
        return Identity(kind="sketch", name="program", details=details)

    async def answer(self, question: TeacherQuestion) -> TeacherAnswer:
        """See `Teacher.answer`.

        Raises:
            CriticError: the request, or the source of an edit, is not of the sketch world.
            ConfigError: a picture cannot be read.
        """
        return await asyncio.to_thread(self._answer, question)

    def _answer(self, question: TeacherQuestion) -> TeacherAnswer:
        random = Random(f"{self._options.seed}:{question.digest}")
        if question.kind == "predict":
            chances = _chances(
                predict(question.rationale or "", question.order, random), question.choices
            )
            return TeacherAnswer(text=max(chances, key=chances.__getitem__), chances=chances)
        written = self._write(question, random)
        return TeacherAnswer(
            text=written.text, tokens=len(written.text.split()), truth=written.truth or SOUND
        )

    def _write(self, question: TeacherQuestion, random: Random) -> TeacherText:
        asked = self._asked(question.instruction, question.source)
        a, b = (
            self._judgement(question.instruction, question.source, path) if path else None
            for path in (question.image_a, question.image_b)
        )
        rates = self._options
        match question.kind:
            case "judge" if a and b:
                return compare(asked, a, b, None, rates, random)
            case "judge" if a:
                return free_critique(asked, a, rates, random)
            case "anchor" if a and b and question.label in ("A", "B"):
                return compare(asked, a, b, question.label, rates, random)
            case "project" if a and question.side and question.scores is not None:
                told = question.rationale or ""
                return project(asked, a, question.side, told, question.scores, rates, random)
        raise ValueError(f"a {question.kind!r} question lacks what it needs: {question!r}")

    def _look(self, instruction: str, source: Path | None, picture: Path) -> WrittenJudgement:
        """What is true of a picture."""
        asked = self._asked(instruction, source)
        return judgement_of(grade_picture(asked, load_picture(picture)))


def _understood(instruction: str, source: Path | None) -> Asked:
    asked = read_asked(instruction, load_picture(source) if source else None)
    if asked is None:
        where = f" about {str(source)!r}" if source else ""
        raise CriticError(
            f"the sketch teacher makes nothing of the request {instruction!r}{where}; it teaches "
            "the sketch world only"
        )
    return asked


def _chances(first: float, choices: tuple[Label, ...]) -> dict[Label, float]:
    """The probability of each choice, where that of A against B is `first`."""
    weights: dict[Label, float] = {"A": first, "B": 1 - first}
    weights["tie"] = 2 * _TIE * math.sqrt(first * (1 - first))
    total = sum(weights[choice] for choice in choices)
    return {choice: weights[choice] / total for choice in choices}
