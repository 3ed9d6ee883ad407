"""What a benchmark is: items to ask for, and a way to grade the pictures made from them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from rr_refine.errors import ConfigError
from rr_refine.statistics import Range
from rr_refine.terms import SCORE_MIN, Amount, Record

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MAX_RENDERS", "WORSE_BY", "Benchmark", "Grader", "Item", "Mark"]

_LONGEST: Final = 150
"""Bytes of an id."""
MAX_RENDERS: Final = 10_000
"""Pictures of an item."""
WORSE_BY: Final = 0.1
"""Score points on the scale of the critic, 1 to 4: the margin of the loop's own acceptance rule."""


@dataclass(frozen=True, slots=True)
class Item:
    """One request that every arm is given."""

    id: str
    """Unique in its benchmark, and fit to be a file name."""
    prompt: str
    seed: int = 0
    """Of the first picture; the same for all arms, so that they start from the same one."""
    source: Image.Image | Path | None = None
    """The picture to edit, RGB; None for text-to-image. A path is read when the item's turn comes,
    so that memory does not grow with the number of items."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What results are broken down by: `{"difficulty": "count", "register": "terse"}`."""
    group: str = ""
    """Items of one group, such as samples of one prompt, count as one cluster; every item is its
    own group where this is empty."""

    def __post_init__(self) -> None:
        """Raises:
        ConfigError: nothing can be called by its id.
        """
        odd = not self.id or self.id.startswith(".") or "/" in self.id or not self.id.isprintable()
        if odd or len(self.id.encode()) > _LONGEST:
            raise ConfigError(
                f"the item {self.id!r:.80} can name no file: its id must be 1 to {_LONGEST} bytes "
                "of plain text, without '/' and no '.' at its beginning"
            )


class Mark(Record):
    """The grade of one picture, by something that no arm has seen."""

    exact: bool
    """Is all that was asked for there, and nothing that spoils it? Where a judge gives grades: is
    it the best grade there is?"""
    score: Amount
    """Higher is better, on the scale of the benchmark; in the sketch world 1 to 4, as the critic's
    mean of the applicable dimensions."""
    missed: tuple[str, ...] = ()
    """What was asked for and is not there, in words."""
    parts: dict[str, tuple[Amount, Amount]] = {}
    """What the picture adds to each dimension of the benchmark, as (got, of): a dimension's value
    is the sum of the first over the sum of the second."""


Grader: TypeAlias = "Callable[[Item, Image.Image], Awaitable[Mark]]"
"""Called for each picture that an arm settled on; awaited by many runs at once. Raises a
`RefineError` where it cannot tell: a mark that is missing is counted, never made up."""


@dataclass
class Benchmark:
    """Items, and the grader where the benchmark has one of its own.

    What else a benchmark can do is in the protocols of `rr_refine.benchmarks.protocol`; a subclass
    has the methods of those that apply.
    """

    name: str
    """With the split and what else tells one set of items from another: `sketch test`."""
    items: Sequence[Item]
    """May be replaced by some of them: all methods are about these."""
    grade: Grader | None = None
    """A program; None where a judge is asked, or where pictures are only made."""
    dimensions: tuple[str, ...] = ()
    """The parts whose plain mean is the overall value, as its tables have it (macro average);
    parts may hold more, such as finer dimensions. Empty where there is no such value."""
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 of every file that was read, by its name: data, official prompts."""
    notes: tuple[str, ...] = ()
    """What had to be mended or is unusual about these files, in words for the user."""
    scale: Range | None = None
    """The lowest and the highest value of the score and of every dimension; None where the ends
    are not known: intervals near an end are then not as good as they could be."""
    worse_by: float = WORSE_BY
    """Score points by which a result must be lower to count as worse than the first picture."""

    def worst(self, item: Item) -> Mark:  # noqa: ARG002  the same for all
        """The mark of a missing picture or judgement: the lowest there is, in every part."""
        return Mark(exact=False, score=SCORE_MIN)
