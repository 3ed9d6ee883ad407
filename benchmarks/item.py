"""What a benchmark is: items to ask for, and a way to grade the pictures that come of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from rr_refine.terms import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    source: Image.Image | None = None
    """The picture to edit, RGB; None for text-to-image."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What results are broken down by: `{"difficulty": "count", "register": "terse"}`."""


class Mark(Record):
    """The grade of one picture, by something that no arm has seen."""

    exact: bool
    """Is all that was asked for there, and nothing that spoils it?"""
    score: float
    """1 to 4, as the critic's mean of the applicable dimensions."""
    missed: tuple[str, ...] = ()
    """What was asked for and is not there, in words."""


Grader: TypeAlias = "Callable[[Item, Image.Image], Mark]"
"""Called in a thread, for each picture that an arm settled on."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Items and their grader."""

    name: str
    """With the split and what else tells one set of items from another: `sketch test`."""
    items: tuple[Item, ...]
    grade: Grader
