"""What a benchmark is: items to ask for, and a way to grade the pictures that come of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rr_refine.terms import SCORE_MIN, Record

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Benchmark", "Grader", "Item", "Mark"]


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
    """Items of one group, such as samples of one prompt, are resampled together; every item is its
    own group where this is empty."""


class Mark(Record):
    """The grade of one picture, by something that no arm has seen."""

    exact: bool
    """Is all that was asked for there, and nothing that spoils it? Where a judge gives grades: is
    it the best grade there is?"""
    score: float
    """Higher is better, on the scale of the benchmark; in the sketch world 1 to 4, as the critic's
    mean of the applicable dimensions."""
    missed: tuple[str, ...] = ()
    """What was asked for and is not there, in words."""
    parts: dict[str, tuple[float, float]] = {}
    """What the picture adds to each dimension of the benchmark, as (got, of): a dimension's value
    is the sum of the first over the sum of the second."""


Grader: TypeAlias = "Callable[[Item, Image.Image], Awaitable[Mark]]"
"""Called for each picture that an arm settled on; awaited by many runs at once. Raises a
`RefineError` where it cannot tell: a mark that is missing is counted, never made up."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Items and their grader."""

    name: str
    """With the split and what else tells one set of items from another: `sketch test`."""
    items: Sequence[Item]
    grade: Grader
    worst: Callable[[Item], Mark] = field(default=lambda _: Mark(exact=False, score=SCORE_MIN))
    """The mark of a missing picture, and of one that could not be graded: the lowest there is, in
    every part."""
    dimensions: tuple[str, ...] = ()
    """The parts whose plain mean is the overall value, as its tables have it (macro average);
    parts may hold more, such as finer dimensions. Empty where there is no such value."""
