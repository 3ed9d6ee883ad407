"""Boxes on a picture: where evidence found something, and in a few words what."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Final
from unicodedata import east_asian_width

from rr_refine.reward.evidence.evidence import Finding, FindingKind
from rr_refine.terms import Record

__all__ = ["PictureBox", "boxes_of"]

_LINE: Final = 30
"""Most characters of a line of a label, wide ones twice: the whole reason is beside the picture."""
_ROOM: Final = 14.0
"""Percent of the picture's height that a label above its box needs."""
_SIGNS: Final[dict[FindingKind, str]] = {
    "right": "✓",
    "wrong": "✗",
    "missing": "✗",
    "abstained": "?",
}
"""What a label begins with: kinds are told apart without colours, too."""


class PictureBox(Record):
    """A box to be drawn over a picture; places and sizes in percent of its width or height."""

    kind: FindingKind
    x: float
    y: float
    width: float
    height: float
    label: tuple[str, ...]
    """Lines; none for what nobody asked for: its box says enough."""
    reason: str
    """The whole finding, in words."""
    label_x: float
    label_y: float
    """Where the label is held."""
    anchor: str
    """Which end of the label is held there: `start` or `end`, so that it stays in the picture."""
    below: bool
    """Whether the label hangs below its place; else it stands on it."""


def boxes_of(findings: Sequence[Finding]) -> tuple[PictureBox, ...]:
    """The boxes of what was found; a finding without a place has none.

    What nobody asked for comes first, so that it is drawn under the others.
    """
    found = [_box(one, *one.box) for one in findings if one.box is not None]
    return tuple(sorted(found, key=lambda box: box.kind != "extra"))


def _box(finding: Finding, left: float, top: float, right: float, bottom: float) -> PictureBox:
    left, top, right, bottom = (round(100 * side, 2) for side in (left, top, right, bottom))
    ends, below = left + right > 100, top < _ROOM
    inside = below and bottom > 100 - _ROOM  # there is room neither above nor below
    return PictureBox(
        kind=finding.kind,
        x=left,
        y=top,
        width=round(right - left, 2),
        height=round(bottom - top, 2),
        label=_label(finding),
        reason=finding.reason,
        label_x=right if ends else left,
        label_y=bottom if below and not inside else top,
        anchor="end" if ends else "start",
        below=below,
    )


def _label(finding: Finding) -> tuple[str, ...]:
    if finding.kind == "extra":
        return ()
    lines = [] if finding.found is None else [f"reads {finding.found}"]
    if finding.kind != "right" or not lines:
        lines.append(f"asked {finding.expected}")
    lines[0] = f"{_SIGNS[finding.kind]} {lines[0]}"
    return tuple(map(_cut, lines))


def _cut(line: str) -> str:
    widths = accumulate(2 if east_asian_width(sign) in "WF" else 1 for sign in line)
    room = sum(width < _LINE for width in widths)
    return line if room >= len(line) - 1 else f"{line[:room]}…"
