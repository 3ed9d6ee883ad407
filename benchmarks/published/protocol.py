"""What a published benchmark is: its files read, its pictures laid out, its judge asked and read.

A benchmark module (`unigenbench`, `imgedit`, …) has a `load(data, …)` that gives one of these, and
an `official_parse(text, …)`: the official script's reading of one judge answer, quirks included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pydantic import JsonValue

from rr_refine.benchmarks.item import Item, Mark
from rr_refine.benchmarks.question import Question

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["AnswerFile", "Answers", "Published"]

Answers = tuple[str, ...]
"""A judge's raw answers about one picture: one for each of its questions, in order."""


class Published(Protocol):
    """One suite of a benchmark, read from the user's copy of its files."""

    name: str
    """With the suite: `unigenbench en`."""
    items: Sequence[Item]
    """May be replaced by some of them: everything below is about these."""
    dimensions: tuple[str, ...]
    """See `Benchmark.dimensions`."""
    files: Mapping[str, str]
    """sha256 of every file that was read, by its name: data, official prompts."""
    wording: str
    """Where the words of the questions are from: `ours`, or `official <first 12 of sha256>`."""
    notes: tuple[str, ...]
    """What had to be mended or is unusual about these files, in words for the user."""

    def picture(self, item: Item) -> str:
        """Where the official layout has the item's picture, relative to the arm's folder."""
        ...

    def questions(self, item: Item, image: Image.Image) -> tuple[Question, ...]:
        """What the official protocol asks about a picture. Empty where there is no such judge, so
        that pictures are only made.

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

    def worst(self, item: Item) -> Mark:
        """The mark of a picture or judgement that is missing: 0 in every part."""
        ...

    def write_answers(self, item: Item, random: Random) -> Answers:
        """Answers as a judge might write them: for stand-ins and tests, of no meaning."""
        ...

    def lay_out(self, folder: Path) -> None:
        """Write what the layout holds beside the arm's pictures. May be called again.

        Args:
            folder: of one arm, as `preflight` takes it.

        Raises:
            StoreError: a file cannot be written.
        """
        ...

    def write_judgements(
        self, folder: Path, pictures: Path, judged: Mapping[str, Answers | None]
    ) -> None:
        """Write one arm's judgements as the official scoring script ingests them.

        Args:
            folder: created when missing; outside the pictures.
            pictures: the arm's folder.
            judged: by item id; None where there is no readable answer. Items without a picture are
                not in it.

        Raises:
            StoreError: a file cannot be written.
        """
        ...

    def official(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """Exactly what the official scoring script would write for these judgements, to the last
        digit: what it drops is dropped.

        Args:
            judged: as for `write_judgements`.
        """
        ...

    def views(self, judged: Mapping[str, Answers | None]) -> dict[str, JsonValue]:
        """Other readings of the same answers, such as by a more tolerant parser; empty where there
        is none worth telling.
        """
        ...

    def score_file(self, file: Path) -> tuple[dict[str, JsonValue], Mapping[str, Mark | None]]:
        """Score a judgement file of the official scripts, however it came to be.

        Returns:
            What the official scoring script would have written for this very file, and by item id
            the mark of each judgement that it holds, None where it cannot be read. Items that the
            file does not name are not in it.

        Raises:
            ConfigError: it is no such file.
        """
        ...

    def preflight(self, folder: Path) -> list[str]:
        """What the official script would stumble over in an arm's folder, one line each: missing
        pictures, other formats, what cannot be opened. Empty where all is well.
        """
        ...


@runtime_checkable
class AnswerFile(Protocol):
    """A benchmark whose official judgement files hold the raw answers, so that they can be read in
    another way too: see `Published.views`.
    """

    def judgements(self, file: Path) -> Mapping[str, Answers | None]:
        """The answers of a judgement file, by item id.

        Raises:
            ConfigError: it is no such file.
        """
        ...
