"""Headings of a critic's answer: which line of text, or key of a JSON answer, begins what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from rr_refine.reward.values import is_score
from rr_refine.terms import Dimension

__all__ = ["Field", "Heading", "Part", "label_of", "read_heading"]

Field = Literal["justification", "score", "score_a", "score_b", "winner"]
"""What stands under a dimension."""

Part = Literal["analysis", "judgement", "summary", "refinement", "comments", "request"]
"""What stands beside the dimensions."""

_S: Final = r"[\s_-]{1,3}"
_AND: Final = rf"(?:\s{{0,2}}[&/+]\s{{0,2}}|{_S}and{_S}|{_S})"
_DIMENSIONS: Final[dict[Dimension, str]] = {
    "text_faithfulness": rf"text(?:ual)?{_S}(?:faithfulness|fidelity)(?:{_S}score)?",
    "image_faithfulness": rf"image{_S}(?:faithfulness|fidelity)(?:{_S}score)?",
    "physical_quality": rf"(?:physical{_AND}visual|visual{_AND}physical|physical|visual)"
    rf"{_S}quality(?:{_S}score)?",
    "text_rendering": rf"text{_S}render(?:ing)?(?:{_S}quality)?(?:{_S}score)?",
}
_FIELDS: Final[dict[Field, str]] = {
    "justification": r"justifications?|rationale|reason(?:ing)?|explanation",
    "score_a": rf"score{_S}(?:(?:of|for){_S})?(?:image{_S})?\(?a\)?|image{_S}a{_S}score",
    "score_b": rf"score{_S}(?:(?:of|for){_S})?(?:image{_S})?\(?b\)?|image{_S}b{_S}score",
    "score": r"scores?|ratings?",
    "winner": r"winner",
}
_PARTS: Final[dict[Part, str]] = {
    "analysis": rf"(?:user{_S})?request{_S}(?:analysis|understanding)",
    "judgement": rf"detailed{_S}(?:judge?ment|evaluation|assessment)s?",
    "summary": rf"(?:overall{_S})?summary",
    "refinement": rf"(?:user{_S})?request{_S}refinement",
    "comments": rf"refinement{_S}comments?",
    "request": rf"refined{_S}(?:user{_S})?(?:request|prompt|instruction)",
}
_LABEL: Final = "|".join(
    rf"(?P<{label}>(?:{name})(?![^\W_]))"
    for label, name in (_DIMENSIONS | _FIELDS | _PARTS).items()
)
# Marks and remarks are bounded, so that a line is read in a time linear in its length.
_MARKS: Final = r"""
    (?P<marks> [\s>#*_`•+-]{0,24}+ )
    (?P<number> \(?[0-9]{1,2}\s?[.):-] )?
    (?P<more> [\s#*_`]{0,8}+ )
"""
_AFTER: Final = r"""
    (?P<closed> [*_`]{0,4} )
    (?P<remark> [ \t]{0,2}
        \( (?: [^()\d\n]{0,40} | 1(?:\.0)?\s?[-–]\s?4(?:\.0)? | (?:out\sof|/)\s?4 ) \) )?
    [*_`]{0,4}
    (?P<separator> [ \t]{0,3}[:：] | [ \t]{1,3}[-–—=](?=\s) )?
    [*_`]{0,4}
"""
_KEY: Final = re.compile(_MARKS + f"(?:{_LABEL})", re.VERBOSE | re.IGNORECASE)
_NAME: Final = re.compile(_LABEL, re.IGNORECASE)
_HEADING: Final = re.compile(_MARKS + f"(?:{_LABEL})" + _AFTER, re.VERBOSE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Heading:
    """A line that begins a section or a field, if what is around it agrees."""

    dimension: Dimension | None
    """The dimension that it names; None for all other headings."""
    label: Field | Part | None
    """The field or part that it begins; None for a dimension."""
    rank: int
    """How strongly it is marked: 2 with `#` (or a number before a dimension), 1 bold, 0 bare."""
    rest: str
    """What follows on the same line, its line break included."""

    @property
    def is_field(self) -> bool:
        """Whether it stands under a dimension."""
        return self.label in _FIELDS


def read_heading(line: str, *, fields_only: bool = False) -> Heading | None:
    """The heading that `line` is, or None for prose.

    A label begins the line, behind marks only, and is set off from what follows by a colon, a
    dash, its own bold marks, `#` before it, or the end of the line. The name of a dimension heads
    nothing but fields: prose behind it makes the line prose (`Text Faithfulness: the prompt…`).
    """
    match = _HEADING.match(line)
    if match is None:
        return None
    dimension, label = _named(match)
    if fields_only and label not in _FIELDS:
        return None
    before, rest = match["marks"] + match["more"], line[match.end() :]
    if match["remark"] and not match["separator"] and dimension is None:
        rest = line[match.start("remark") :]  # `## Summary (as above)` says something
    bold = "**" in before or "__" in before
    hashed = "#" in before or (dimension is not None and match["number"] is not None)
    set_off = bool(match["separator"] or (bold and match["closed"]) or not rest.strip())
    if dimension is not None:
        heads = not rest.strip() or is_score(rest) or bool(read_heading(rest, fields_only=True))
    elif label in _FIELDS and label != "justification":
        heads = set_off or is_score(rest)
    else:
        heads = set_off or hashed
    return Heading(dimension, label, 2 if hashed else 1 if bold else 0, rest) if heads else None


def label_of(key: str) -> tuple[Dimension | None, Field | Part | None]:
    """What a key of a JSON answer names: a dimension, a field or part, both, or neither."""
    match = _KEY.match(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key[:80]))
    if match is None:
        return None, None
    dimension, label = _named(match)
    rest = match.string[match.end() :].partition("(")[0].strip(" :*_-")
    if rest and dimension is not None and (field := _NAME.fullmatch(rest)):
        return dimension, _named(field)[1]
    return (None, None) if rest else (dimension, label)


def _named(match: re.Match[str]) -> tuple[Dimension | None, Field | Part | None]:
    dimension = next((name for name in _DIMENSIONS if match[name] is not None), None)
    label = next((name for name in (*_FIELDS, *_PARTS) if match[name] is not None), None)
    return dimension, label
