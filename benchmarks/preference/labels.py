"""Labels: the votes of the published files, as one word."""

from __future__ import annotations

from typing import Final

from rr_refine.benchmarks.preference.item import Truth
from rr_refine.errors import ConfigError

__all__ = ["read_vote"]

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


def read_vote(vote: str, place: str, *, a: str = "A", b: str = "B") -> Truth:
    """What people said, in whatever case the file writes it.

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
            f"{place}: the label {vote!r} is none of {', '.join(map(repr, known))}"
        ) from None
