"""Notes on standard error: what everybody should know of the parts in use."""

from __future__ import annotations

from collections.abc import Mapping

from rr_refine.cli.text import plain, tell
from rr_refine.component import told_by

__all__ = ["say_told"]


def say_told(parts: Mapping[str, object]) -> None:
    """Say what the parts had to tell while they worked, such as a field that a server refused.

    Args:
        parts: by what they are: `judge`.
    """
    for name, part in parts.items():
        for text in told_by(part):
            tell(f"note: {name}: {plain(text)}")
