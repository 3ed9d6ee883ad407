"""Evidence: what a rationale says about the pictures, without what it makes of it."""

from __future__ import annotations

import re
from typing import Final

from rr_refine.reward.comparison import PairwiseCritique

__all__ = ["evidence_of"]

_CLAUSE: Final = re.compile(
    r"(?<=[.!?;])\s+|\n+|,\s+(?=(?:so|thus|hence|therefore|which|giving|earning|making|leading)\b)"
)
"""Where one statement ends. `3.5` is not split, as no space follows the point."""

_DECISION: Final = re.compile(
    r"""
      \b[1-4]\.\d\b | \b[1-4]\s?(?:/|out\sof)\s?4\b
    | \b(?:scor(?:e[sd]?|ing)|rat(?:ed|ings?)|anchor(?:s|ed)?)\b
    | \b(?:winners?|wins|won|winning|victory|verdict)\b
    | \bprefer(?:s|red|able|ence)?\b | \b(?:better|best|stronger|superior)\soverall\b
    | \boverall,?\s(?:image\s)?[AB]\b | \b(?:it['’]s\sa|it\sis\sa|a)\s(?:tie|draw)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""A statement of a score or of a decision."""


def evidence_of(critique: PairwiseCritique) -> str:
    """The justifications of a rationale, by dimension, without scores, winners and summary.

    It is put together from what the parser read, so that no way of writing a heading can carry a
    score along. Statements of a score or a decision within a justification are left out too:
    with them, to predict the label from the rationale would be to copy it.
    """
    parts = []
    for dimension, rationale in critique.rationales.items():
        if kept := " ".join(s for s in _CLAUSE.split(rationale or "") if not _DECISION.search(s)):
            parts.append(f"{dimension.replace('_', ' ').capitalize()}: {kept}")
    return "\n".join(parts)
