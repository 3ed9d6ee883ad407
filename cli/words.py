"""Words of people for what a record names by the field's terms: pictures, dimensions, verdicts."""

from __future__ import annotations

import re
from typing import Final

from rr_refine.agent.history import Verdict
from rr_refine.terms import DIMENSION_WORDS, Dimension

__all__ = ["dimension_words", "picture_name", "term", "verdict_word"]

_ID: Final = re.compile(r"r(\d+)c(\d+)")
_VERDICTS: Final = {"first": "first try", "always": "taken", "picked": "picked"}
"""Accepted, though nothing says that they are better."""


def picture_name(candidate: str) -> str:
    """`round 2`, or `round 2, picture 3`, as the studio says; the id is `r1c0`, `r1c2`."""
    match = _ID.fullmatch(candidate)
    if match is None:
        return candidate
    round_, index = map(int, match.groups())
    return f"round {round_ + 1}" + (f", picture {index + 1}" if index else "")


def dimension_words(dimension: Dimension) -> str:
    """`what you asked for (text faithfulness)`."""
    return f"{DIMENSION_WORDS[dimension]} ({term(dimension)})"


def term(dimension: Dimension) -> str:
    """`text faithfulness`."""
    return dimension.replace("_", " ")


def verdict_word(verdict: Verdict) -> str:
    """`better`, `refused`, or what else it was taken for."""
    return _VERDICTS.get(verdict.rule, "better") if verdict.accepted else "refused"
