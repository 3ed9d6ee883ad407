"""Pairs of pictures with what people said about them, and sets of such pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from rr_refine.errors import ConfigError
from rr_refine.plain_text import quoted
from rr_refine.reward.preferences.pair import Picture

if TYPE_CHECKING:
    from rr_refine.benchmarks.preference.protocol import EvaluationProtocol

__all__ = [
    "DECIDED",
    "PreferenceItem",
    "PreferenceSet",
    "Skipped",
    "Truth",
    "read_vote",
]

Truth = Literal["A", "B", "tie", "both_bad"]
"""What people said: one of the pictures, both equally good, or neither of them any good."""

DECIDED: Final[frozenset[Truth]] = frozenset({"A", "B"})
"""Pairs of which people preferred one picture."""

_VOTES: Final[dict[str, Truth]] = {
    "leftvote": "A",
    "rightvote": "B",
    "tievote": "tie",
    "bothbad_vote": "both_bad",
    "{a}": "A",
    "{b}": "B",
    "{a}>{b}": "A",
    "{b}>{a}": "B",
    "{a}={b}": "tie",
    "{b}={a}": "tie",
    "{a}={b}=good": "tie",
    "{a}={b}=bad": "both_bad",
}
"""GenAI-Bench's `vote_type` and its verdicts, EditReward-Bench's `ranking`, MMRB2's `chosen`."""


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
    """Pairs of one group are of the same request, and one cluster; a pair without such is
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
    detail: str = ""
    """About this row alone."""


@dataclass(frozen=True, slots=True)
class PreferenceSet:
    """One suite of a benchmark, read from the user's copy of its files."""

    name: str
    """With the suite: `genai-bench image_edition`."""
    protocols: tuple[EvaluationProtocol, ...]
    files: Mapping[str, str]
    """sha256 of every file that was read, by its name; pictures in files of their own left out."""
    groups: Sequence[str]
    """The group of each row, in order; all labels have been checked."""
    read: Callable[[], Iterator[PreferenceItem | Skipped]]
    """The rows, with pictures still encoded; a few are in memory at a time."""
    notes: tuple[str, ...] = ()
    """What is unusual about these files, in words for the user."""


def read_vote(vote: str, place: str, *, a: str = "A", b: str = "B") -> Truth:
    """A published label as a `Truth`; upper and lower case make no difference.

    Args:
        vote: the label.
        place: where it is, for the message.
        a: what the file calls the first picture.
        b: and the second.

    Raises:
        ConfigError: it is none of the labels that are known; leaving the row out would change
            what is measured.
    """
    known = {text.format(a=a, b=b).lower(): truth for text, truth in _VOTES.items()}
    try:
        return known[vote.strip().lower()]
    except KeyError:
        raise ConfigError(
            f"{place}: the label {quoted(vote)} is none of {', '.join(map(quoted, known))}"
        ) from None
