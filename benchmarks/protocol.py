"""What a benchmark may do beyond its items, as small protocols.

A `Benchmark` has items, from which pictures are made. One with an official layout for them has
`Layout`, one that has a judge asked has `AsksJudge`, one with an official metric has
`OfficialScore`, and one that scores judgement files from elsewhere has `ScoresFiles`. Each is found
by its methods: a benchmark implements what applies.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pydantic import JsonValue

from rr_refine.benchmarks.item import Item, Mark
from rr_refine.benchmarks.question import Question

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "AnswerFile",
    "Answers",
    "AsksJudge",
    "FindsPictures",
    "JudgedAnswers",
    "Layout",
    "OfficialScore",
    "OfficialTable",
    "RemarksOnFile",
    "ScoresFiles",
]

Answers = tuple[str, ...]
"""A judge's raw answers about one picture: one for each of its questions, in order."""


class JudgedAnswers(dict[str, Answers | None]):
    """A judge's answers by item id; None where there is none that can be read.

    Args:
        read: the answers.
        unread: the last ones of items that have none that can be read.
    """

    def __init__(
        self,
        read: Mapping[str, Answers | None],
        unread: Mapping[str, Answers] | None = None,
    ) -> None:
        super().__init__(read)
        self.unread: Mapping[str, Answers] = unread or {}


@runtime_checkable
class Layout(Protocol):
    """Pictures where the official scripts look for them."""

    def picture(self, item: Item) -> str:
        """Where the item's picture lies, relative to the arm's folder."""
        ...

    def lay_out(self, folder: Path) -> None:
        """Write what the layout holds beside the arm's pictures. May be called again.

        Raises:
            StoreError: a file cannot be written.
        """
        ...

    def preflight(self, folder: Path) -> list[str]:
        """What the official script would stumble over in an arm's folder, one line each: missing
        pictures, other formats, what cannot be opened. Empty where all is well.
        """
        ...


@runtime_checkable
class FindsPictures(Layout, Protocol):
    """The official layout leaves room for other names than ours."""

    def pictures_in(self, folder: Path) -> Mapping[str, str]:
        """Where the pictures of a folder in the official layout lie, relative to it, by item id;
        those of the items that the official script would find.

        Raises:
            ConfigError: what says so in the folder cannot be read.
        """
        ...


@runtime_checkable
class AsksJudge(Protocol):
    """Pictures are graded by the answers of a judge."""

    name: str
    wording: str
    """Where the words of the questions are from: `ours`, or `official <first 12 of sha256>`."""

    def questions(self, item: Item, image: Image.Image) -> tuple[Question, ...]:
        """What the official protocol asks about a picture.

        Raises:
            StoreError: the source picture cannot be read.
        """
        ...

    def read(self, item: Item, answers: Answers) -> Mark:
        """The mark that these answers make, read as the official script does.

        Raises:
            CriticUnreadable: the official script would not count them.
        """
        ...

    def write_answers(self, item: Item, random: Random) -> Answers:
        """Answers as a judge might write them, without meaning: for the fake judge and tests."""
        ...


@runtime_checkable
class OfficialScore(Protocol):
    """An official metric of a judge's answers.

    `judged` has the answers by item id; None where there is no readable answer. Items without a
    picture are not in it. In a benchmark's run it is a `JudgedAnswers`, which has the unreadable
    ones.
    """

    def write_judgements(
        self, folder: Path, pictures: Path, judged: Mapping[str, Answers | None]
    ) -> None:
        """Write one arm's judgements as the official scoring script ingests them.

        Args:
            folder: created when missing; outside the pictures.
            pictures: the arm's folder.

        Raises:
            StoreError: a file cannot be written.
        """
        ...

    def official(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """Exactly what the official scoring script would write for these judgements, to the last
        digit: what it drops is dropped.
        """
        ...

    def views(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """Other readings of the same answers, such as by a more tolerant parser; may be empty."""
        ...


@runtime_checkable
class OfficialTable(OfficialScore, Protocol):
    """The official numbers can be shown beside ours."""

    def official_values(self, official: Mapping[str, JsonValue]) -> dict[str, float | None]:
        """The official number of each dimension, finer ones included, by our name of it, and of
        `overall`, in the digits of the official script; None where it has none.

        Args:
            official: what `official` gave.
        """
        ...


@runtime_checkable
class ScoresFiles(Protocol):
    """Judgement files of the official scripts can be scored, however they came to be."""

    def score_file(self, file: Path) -> tuple[dict[str, JsonValue], Mapping[str, Mark | None]]:
        """Score a judgement file.

        Returns:
            What the official scoring script would have written for this very file, and by item id
            the mark of each judgement that it holds, None where it cannot be read. Items that the
            file does not name are not in it.

        Raises:
            ConfigError: it is no such file.
        """
        ...


@runtime_checkable
class RemarksOnFile(Protocol):
    """What is unusual about a judgement file, beyond its numbers."""

    def remarks(self, file: Path) -> list[str]:
        """Sentences for the user.

        Raises:
            ConfigError: it is no such file.
        """
        ...


@runtime_checkable
class AnswerFile(OfficialScore, Protocol):
    """The official judgement files hold the raw answers, so that they can be read in another way
    too: see `OfficialScore.views`.
    """

    def judgements(self, file: Path) -> Mapping[str, Answers | None]:
        """The answers of a judgement file, by item id.

        Raises:
            ConfigError: it is no such file.
        """
        ...
