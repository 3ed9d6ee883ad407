"""What people call a picture of a run; records call it by its id."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["picture_name"]

_ID: Final = re.compile(r"r(\d{1,9})c(\d{1,9})")


def picture_name(candidate: str) -> str:
    """`round 2`, or `round 2, picture 3`, as the studio says; the id is `r1c0`, `r1c2`."""
    match = _ID.fullmatch(candidate)
    if match is None:
        return candidate
    round_, index = map(int, match.groups())
    return f"round {round_ + 1}" + (f", picture {index + 1}" if index else "")
