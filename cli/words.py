"""Words of people for what a record names by the field's terms: dimensions and verdicts."""

from __future__ import annotations

from typing import Final

from rr_refine.agent.history import Verdict
from rr_refine.terms import DIMENSION_WORDS, Dimension

__all__ = ["dimension_words", "term", "verdict_word"]

_VERDICTS: Final = {"first": "first try", "always": "taken", "picked": "picked"}
"""Accepted, though nothing says that they are better."""


def dimension_words(dimension: Dimension) -> str:
    """`what you asked for (text faithfulness)`."""
    return f"{DIMENSION_WORDS[dimension]} ({term(dimension)})"


def term(dimension: Dimension) -> str:
    """`text faithfulness`."""
    return dimension.replace("_", " ")


def verdict_word(verdict: Verdict) -> str:
    """`better`, `refused`, or what else it was taken for."""
    return _VERDICTS.get(verdict.rule, "better") if verdict.accepted else "refused"
