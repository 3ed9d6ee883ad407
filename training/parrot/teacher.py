"""A teacher: a model, or a program, that writes the rationales a critic is trained on.

Four kinds of question, each complete in itself, so that a teacher keeps no state:

- `anchor` shows request, A, B and the label; the answer is a pairwise one in the critic's format.
- `judge` shows request and A, and B if the answer is to be pairwise; it is what the same teacher
  says without knowing better (the ablation).
- `predict` shows request, A, B and a rationale, and asks which is better by it: `chances`.
- `project` shows request and one picture, what the comparison said of it, and its scores there; the
  answer is a pointwise one with a refined request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol, runtime_checkable

from pydantic import Field, JsonValue

from rr_refine.digest import digest
from rr_refine.errors import CriticError
from rr_refine.reward.preferences.pair import Label, Order
from rr_refine.terms import Dimension, Identity, Record, Task

__all__ = [
    "REFUSED",
    "SOUND",
    "UNUSABLE",
    "PictureLost",
    "QuestionKind",
    "Teacher",
    "TeacherAnswer",
    "TeacherQuestion",
]


QuestionKind = Literal["anchor", "judge", "predict", "project"]

REFUSED: Final = "refused"
UNUSABLE: Final = "unusable"

SOUND: Final = "sound"
"""`TeacherAnswer.truth` of an answer without a fault."""


class PictureLost(CriticError):
    """A picture of the folder cannot be read any more. It costs the rows that need it."""


@dataclass(frozen=True, slots=True)
class TeacherQuestion:
    """One question. Everything in it uses its own names: what it calls Image A is `image_a`.

    Which picture of the pair that is, is the asker's business: to ask about the pair the other way
    round, pictures, label and scores are exchanged together.
    """

    id: str
    """Unique among the questions of a kind; a second attempt at the same has its own."""
    kind: QuestionKind
    task: Task
    instruction: str
    """The user's request."""
    source: Path | None = None
    """The picture that was edited. All pictures are RGB files of a `PictureStore`, which are named
    after their content: what is read out of one may be kept by its path."""
    image_a: Path | None = None
    """Image A, or the one picture to judge. None only where `predict` shows none."""
    image_b: Path | None = None
    """Image B; None where one picture is judged alone."""
    order: Order = "AB"
    """Which of the two is shown first. The names stay: `BA` shows Image B, then Image A. Only
    `predict` uses it, to cancel a preference for the first place."""
    label: Label | None = None
    """`anchor`: the better one. None otherwise."""
    rationale: str | None = None
    """`predict`: the rationale to decide by. `project`: what the comparison said about both."""
    side: Literal["A", "B"] | None = None
    """`project`: what the rationale calls the picture."""
    scores: Mapping[Dimension, float | None] | None = None
    """`project`: the picture's scores in the comparison, to be met closely; None is N/A."""
    choices: tuple[Label, ...] = ()
    """`predict`: what may be answered."""

    @property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of all that is asked; pictures count by content."""
        pictures = (self.source, self.image_a, self.image_b)
        content: dict[str, JsonValue] = {
            "id": self.id,
            "kind": self.kind,
            "task": self.task,
            "instruction": self.instruction,
            "pictures": [path.stem if path else None for path in pictures],
            "order": self.order,
            "label": self.label,
            "rationale": self.rationale,
            "side": self.side,
            "scores": None if self.scores is None else [[d, s] for d, s in self.scores.items()],
            "choices": [*self.choices],
        }
        return digest(content)


class TeacherAnswer(Record):
    """What the teacher wrote, before anybody has read it."""

    text: str
    finish_reason: str = "stop"
    """Why it ended: `stop` at its own end, `length` at the token limit. `refused` and `unusable`
    are no answers, see `lost`."""
    tokens: int = Field(default=0, ge=0)
    """Length in tokens; 0 if unknown."""
    notices: tuple[str, ...] = ()
    """What was done otherwise than asked to get it."""
    chances: dict[Label, float] | None = None
    """`predict`: the probability of each of `choices`; they add up to 1."""
    truth: str | None = None
    """The fault that was made on purpose (`hallucination`, `vague`, …), or `sound`; None if nobody
    knows, as for every real teacher. By it the filter is measured, and nothing else."""

    @property
    def lost(self) -> bool:
        """There is no answer and will be none: the teacher declined the question (`refused`), or
        the server did not take it or answered with something of no use (`unusable`). `text` is what
        it said instead.
        """
        return self.finish_reason in (REFUSED, UNUSABLE)


@runtime_checkable
class Teacher(Protocol):
    """Answers questions. Safe to call many times at once.

    One that must ask somewhere before it knows who it is has `async def connect()`, which every
    run that has it calls first, also while others are at work with it. One that holds connections
    has `async def aclose()`: see `rr_refine.component`.
    """

    def identify(self, kind: QuestionKind) -> Identity:
        """What its answers of this kind depend on besides the question: model, words, sampling.

        Answers are kept under it, so what does not change them must not be in it.
        """
        ...

    async def answer(self, question: TeacherQuestion) -> TeacherAnswer:
        """Answer one question.

        Raises:
            PictureLost: a picture cannot be read; it is asked again once it is back.
            CriticUnavailable, CriticTimeout: nobody answered; it is asked again in the next run.
            CriticError: any other: there is no answer to this question, and will be none.
            ConfigError: the teacher is set up wrongly; nothing more is asked.
        """
        ...
