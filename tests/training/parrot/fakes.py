"""A folder with pairs, and a teacher who does as told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from rr_refine.errors import CriticError, CriticRefused, CriticUnreadable
from rr_refine.reward.answer_format import write_comparison, write_critique
from rr_refine.reward.preferences.pair import Label, PreferencePair
from rr_refine.reward.preferences.sources import Preferred, RawPair
from rr_refine.terms import Dimension, Identity, Task, dimensions_of
from rr_refine.training.parrot.folder import ParrotFolder
from rr_refine.training.parrot.ingest import ingest
from rr_refine.training.parrot.teacher import SOUND, QuestionKind, TeacherAnswer, TeacherQuestion

Reply = Callable[[TeacherQuestion], TeacherAnswer | CriticError]


def picture(number: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (number % 256, number // 256, 77))


def raw_pair(number: int, preferred: Preferred = "first", *, task: Task = "t2i") -> RawPair:
    return RawPair(
        dataset="school",
        split="train",
        key=str(number),
        instruction=f"a red cat on mat {number}",
        first=picture(3 * number),
        second=picture(3 * number + 1),
        source=picture(3 * number + 2) if task == "edit" else None,
        preferred=preferred,
        margin=1.0,
        licence="none",
    )


def make_folder(path: Path, count: int = 4, *, task: Task = "t2i") -> ParrotFolder:
    """Pairs whose first picture is the better one."""
    folder = ParrotFolder(path)
    ingest(folder, [raw_pair(number, task=task) for number in range(count)], workers=1)
    return folder


def sound(better: Label) -> str:
    """What a good rationale says."""
    worse = "B" if better == "A" else "A"
    return (
        f"Image {better} shows the red cat on its mat as asked. "
        f"Image {worse} shows a blue dog beside the mat instead."
    )


def pairwise(task: Task, better: Label, why: str | None = None, *, high: float = 3.5) -> str:
    """A pairwise answer in which `better` leads by `high` - 2 in each dimension that applies."""
    scores: dict[Label, dict[Dimension, float | None]] = {
        side: {
            d: None if d == "text_rendering" else high if side == better else 2.0
            for d in dimensions_of(task)
        }
        for side in ("A", "B")
    }
    return write_comparison(scores["A"], scores["B"], why=why or sound(better))


def pointwise(question: TeacherQuestion, *, shift: float = 0.0) -> str:
    """A pointwise answer with the scores of the comparison, or any."""
    applicable = [d for d in dimensions_of(question.task) if d != "text_rendering"]
    scores = question.scores or {**dict.fromkeys(applicable, 3.0), "text_rendering": None}
    moved = {d: None if s is None else round(s + shift, 2) for d, s in scores.items()}
    return write_critique(moved, "a red cat on a mat, sharp", why="The cat is red and sits there.")


@dataclass
class FakeTeacher:
    """Answers as a good teacher does, unless told otherwise."""

    replies: dict[QuestionKind, Reply] = field(default_factory=dict)
    name: str = "fake"
    asked: list[TeacherQuestion] = field(default_factory=list)
    block_after: int | None = None
    """Hang from this question on."""

    def identify(self, kind: QuestionKind) -> Identity:
        return Identity(kind="fake", name=self.name)

    async def answer(self, question: TeacherQuestion) -> TeacherAnswer:
        if self.block_after is not None and len(self.asked) >= self.block_after:
            await asyncio.Event().wait()
        self.asked.append(question)
        reply = self.replies.get(question.kind, good)(question)
        if isinstance(reply, CriticError):
            raise reply
        return reply

    def count(self, kind: QuestionKind) -> int:
        return sum(question.kind == kind for question in self.asked)


def good(question: TeacherQuestion) -> TeacherAnswer:
    """What a good teacher answers."""
    if question.kind == "anchor":
        return TeacherAnswer(text=pairwise(question.task, question.label or "A"), truth=SOUND)
    if question.kind == "judge" and question.image_b is not None:
        return TeacherAnswer(text=pairwise(question.task, "A", "Both have a cat, A is sharper."))
    if question.kind == "predict":
        return predicted(question, 0.9)
    return TeacherAnswer(text=pointwise(question))


def predicted(question: TeacherQuestion, sure: float) -> TeacherAnswer:
    """Believes the picture that is said to show the red cat; without one, neither."""
    found = re.search(r"Image ([AB]) shows the red cat", question.rationale or "")
    if not found:
        even = 1 / len(question.choices)
        return TeacherAnswer(text="A", chances=dict.fromkeys(question.choices, even))
    rest = (1 - sure) / (len(question.choices) - 1)
    chances = {label: sure if label == found[1] else rest for label in question.choices}
    return TeacherAnswer(text=found[1], chances=chances)


def pair_of(folder: ParrotFolder, label: Label = "A") -> PreferencePair:
    return next(pair for pair in folder.pairs if pair.label == label)


def declining(error: CriticError, first: int) -> FakeTeacher:
    """Has no rationale for the requests about the mats below `first`."""

    def reply(question: TeacherQuestion) -> TeacherAnswer | CriticError:
        return error if int(question.instruction.split()[-1]) < first else good(question)

    return FakeTeacher({"anchor": reply})


def create(name: str = "fake", declines: int = 0, *, probabilities: bool = True) -> FakeTeacher:
    """For a config: `tests.training.parrot.fakes:create`."""
    if not probabilities:
        mute = CriticUnreadable("sent no log-probabilities", "A")
        return FakeTeacher({"predict": lambda _: mute})
    if declines:
        return declining(CriticRefused("declined", "no"), declines)
    return FakeTeacher(name=name)
