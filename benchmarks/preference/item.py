"""A pair of pictures whose better one people have chosen, and a set of such pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rr_refine.errors import ConfigError
from rr_refine.pictures import decode_picture, load_picture
from rr_refine.reward.preferences.pair import Picture

if TYPE_CHECKING:
    from PIL import Image

    from rr_refine.benchmarks.preference.protocol import Protocol

__all__ = [
    "PreferenceItem",
    "PreferenceSet",
    "Skipped",
    "Truth",
    "Verdict",
    "open_picture",
]

Truth = Literal["A", "B", "tie", "both_bad"]
"""What people said: one of the pictures, both equally good, or neither of them any good."""

Verdict = Literal["A", "B", "tie"]
"""What a critic says; it cannot tell a tie of two good pictures from one of two bad ones."""


@dataclass(frozen=True, slots=True)
class PreferenceItem:
    """Two pictures of one request: files, or what is in them, decoded when their turn comes."""

    id: str
    """Unique in its set."""
    prompt: str
    """The request; for an edit, the instruction."""
    image_a: Picture
    image_b: Picture
    truth: Truth
    group: str
    """Pairs of one group are of the same request, and resampled together; a pair without such is
    its own group."""
    source: Picture | None = None
    """The picture that was edited; None for text-to-image."""
    size: int = 2
    """Candidates of the group: with three there are three pairs, with four there are six."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that a critic of two pictures cannot be asked about. It is counted."""

    id: str
    group: str
    reason: str
    """In few words, the same for all rows of its kind: `2 input images`."""


@dataclass(frozen=True, slots=True)
class PreferenceSet:
    """One suite of a benchmark, read from the user's copy of its files."""

    name: str
    """With the suite: `genai-bench image_edition`."""
    protocols: tuple[Protocol, ...]
    files: Mapping[str, str]
    """sha256 of every file that was read, by its name; pictures in files of their own left out."""
    groups: Sequence[str]
    """The group of each row, in order; all labels have been checked."""
    read: Callable[[], Iterator[PreferenceItem | Skipped]]
    """The rows, with pictures still encoded; a few are in memory at a time."""
    notes: tuple[str, ...] = ()
    """What is unusual about these files, in words for the user."""


def open_picture(picture: Picture) -> Image.Image:
    """Decode a picture as upright RGB.

    Raises:
        ConfigError: it is missing, or no picture that Pillow can read.
    """
    if not isinstance(picture, bytes):
        return load_picture(picture)
    try:
        return decode_picture(picture)
    except ValueError as error:
        raise ConfigError(f"a picture of the data cannot be read: {error}") from error
