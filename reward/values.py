"""Values in a critic's answer: what a score or a winner says, or a ValueError.

Nothing is guessed, clamped or averaged: a value that leaves a careful reader in doubt is an error.
"""

from __future__ import annotations

import re
from typing import Final

from rr_refine.reward.comparison import Winner
from rr_refine.reward.wrapping import INVISIBLE, cut_behind_end, strip_marks
from rr_refine.terms import SCORE_MAX, SCORE_MIN

__all__ = [
    "excerpt",
    "is_score",
    "read_score",
    "read_text",
    "read_winner",
]

# Every quantifier that meets marks or blanks is bounded, so that no input makes matching quadratic.
_OPEN: Final = r"[\s*_`\"'“”「【(\[{]{0,8}"
_CLOSE: Final = r"(?:[ \t]{0,2}[*_`\"'“”」】)\]}\\]){0,4}"
_REMARK: Final = r"\s{0,3}[(\[].*|\s{1,3}[-–—]\s.*|;(?:\s.*)?"
_NOT_APPLICABLE: Final = (
    r"n\s?/\s?a|n\.a\.?|na|not\sapplicable|不适用|不適用|該当なし|해당\s?없음|nicht\s(?:anwendbar|zutreffend)"
    r"|non\sapplicable|sans\sobjet|no\saplica|n[aã]o\s(?:se\s)?aplica|non\sapplicabile|неприменимо"
)
_UNIT: Final = (
    r"points?|pts?\.?|分|点|點|점|punkte?n?|puntos?|pontos?|punt[io]|балл(?:а|ов)?|point\(s\)"
)
_FOUR: Final = r"4(?:\.0{1,2})?(?![.,]?[0-9])"

_SCORE: Final = re.compile(
    rf"""
    {_OPEN}
    (?: (?: about | around | approximately | approx\.? | roughly | circa | ~ | ≈ | =
          | i(?:'d|\swould)\s(?:say|give)(?:\sit)?(?:\sa)? ) [\s*_`]{{0,4}} )?
    (?P<number> [0-9]{{1,4}} (?P<fraction> \.[0-9]{{1,4}} | ,[0-9]{{1,2}} )? )
    (?P<closed> {_CLOSE} )
    (?: \s{{0,2}} (?P<unit> {_UNIT}) (?![^\W\d_]) {_CLOSE} )?
    (?P<scale> \s{{0,2}} (?:
        \(? \s? (?: / | out\sof | of | 满分 | 滿分 ) \s? {_FOUR} \s? (?:{_UNIT})?
      | [(\[] \s? (?: on\s(?:a|the)\s )? (?: scale:?\s (?:of\s|from\s)? | from\s )?
        1(?:\.0)? \s? (?: - | – | — | to | ~ ) \s? {_FOUR} (?:\sscale)?
      | on\s(?:a|the)\s (?: scale\s(?:of|from)\s )? 1(?:\.0)? \s? (?: - | – | to ) \s? {_FOUR}
        (?:\sscale)? ) {_CLOSE} )?
    (?P<remark> {_REMARK} | ,\s.*
              | [.。](?(fraction)(?:\s.*)?|(?=\s*\Z)) )?  # `3. Some text` may be an item of a list
    \s*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NO_SCORE: Final = re.compile(
    rf"{_OPEN}(?:{_NOT_APPLICABLE}){_CLOSE}(?P<remark>{_REMARK}|[.,](?:\s.*)?)?\s*", re.IGNORECASE
)
_DOUBT: Final = re.compile(r"\d|[?%]|\b(?:n/a|out\sof|scale)\b", re.IGNORECASE)
"""What must not stand beside a score: a second number, verdict or scale, or a question mark."""
_TAKEN: Final = re.compile(
    r"deduct|minus|penal|lost|los[es]|off\b|taken|subtract|扣|减|減|abzug", re.I
)
"""What makes of points that were given points that were taken away."""

_WRAPPED: Final = re.compile(
    r"\\(?:boxed|fbox|text(?:bf|it|rm)?|math(?:bf|it|rm|tt))\s?\{([^{}]*)\}"
    r"|\$\$?([^$]*)\$\$?|\\\(([^()]*)\\\)|\\\[([^\[\]]*)\\\]"
    r"|<([a-z_]{1,20})>([^<>]*)</\5>|<([^<>]*)>|\\d?frac\{([^{}]*)\}\{4(?:\.0)?\}",
    re.IGNORECASE,
)
"""A value within LaTeX, a tag, or angle brackets."""

_WINNER: Final = re.compile(
    rf"""
    {_OPEN} (?:the\s)?
    (?: (?:image\s?)? (?P<side>[ab]) (?:\swins|\sis\sbetter)?
      | (?P<tie> (?:it(?:'s|\sis)\sa\s)? (?:tie|draw) )
      | (?: {_NOT_APPLICABLE} ) )
    {_CLOSE} (?: {_REMARK} | \.(?:\s.*)? )? \s*
    """,
    re.VERBOSE | re.IGNORECASE,
)

_ASCII: Final = (
    {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    | {ord("’"): "'"}
    | {ord(sign): "" for sign in INVISIBLE}
)
"""Full-width forms, one by one: a general normalisation would read `3.5²` as 3.52."""


def read_score(text: str) -> float | None:
    """The score in [1, 4] that a `Score` field states, or None for N/A.

    A number may have its scale behind it (`/4`, `out of 4`) and a remark without a second number
    (`(minor flaws)`). A bare `3` that touches the end of the answer may be half of `3.5`: something
    must show that it is whole, such as a line break, a closing mark, the scale or a remark. `3.5`
    needs none, as the critics write one decimal, and neither does `4`, as nothing is above it.

    Raises:
        ValueError: anything else; the message says what is wrong with the value.
    """
    value = _bare(text)
    match = _NO_SCORE.fullmatch(value) or _SCORE.fullmatch(value)
    remark = (match["remark"] or "") if match else ""
    doubted = _DOUBT.search(remark) or (
        match and match.re is _SCORE and match["unit"] and _TAKEN.search(remark)
    )
    if match is None or doubted:
        raise ValueError(f"{excerpt(text)} is neither one number nor N/A")
    if match.re is _NO_SCORE:
        return None
    ended = (
        match["closed"]
        or match["unit"]
        or match["scale"]
        or remark.strip(" .,;-–—")
        or value.endswith("\n")
    )
    if not ended and match["number"] in ("1", "2", "3"):
        raise ValueError(f"the answer ends right behind {excerpt(text)}, which may be cut short")
    score = float(match["number"].replace(",", "."))
    if not SCORE_MIN <= score <= SCORE_MAX:
        raise ValueError(f"{excerpt(text)} is outside [{SCORE_MIN}, {SCORE_MAX}]")
    return score


def _bare(text: str) -> str:
    """A value in ASCII forms, without end tokens, and without LaTeX or tags around it."""
    value = text.translate(_ASCII)
    said = cut_behind_end(value)
    cut = strip_marks(value if re.search(r"\d", value[len(said) :]) else said)
    if cut and cut != value.strip():
        value = cut + "\n"
    for _ in range(4):
        match = _WRAPPED.match(value, len(value) - len(value.lstrip("*_` \n\t")))
        if match is None:
            break
        value = next(g for g in match.group(1, 2, 3, 4, 6, 7, 8) if g is not None) + (
            value[match.end() :] if value[match.end() :].strip() else "\n"
        )
    return value


def is_score(text: str) -> bool:
    """Whether `read_score` can read it."""
    try:
        read_score(text)
    except ValueError:
        return False
    return True


def read_winner(text: str) -> Winner | None:
    """The image that a `Winner` field names, or None for N/A.

    Raises:
        ValueError: it names neither A, nor B, nor a tie.
    """
    match = _WINNER.fullmatch(_bare(text))
    if match is None:
        raise ValueError(f"{excerpt(text)} is none of Image A, Image B, It's a tie, N/A")
    if match["side"]:
        return "a" if match["side"] in "aA" else "b"
    return "tie" if match["tie"] else None


def read_text(text: str) -> str:
    """Free text without blank lines and rules (`---`) around it, or half a pair of bold marks."""
    lines = text.strip().split("\n")
    while lines and not lines[-1].strip("-*_= "):
        lines.pop()
    text = "\n".join(lines).rstrip()
    return text[:-2].rstrip() if text.endswith("**") and text.count("**") % 2 else text


def excerpt(text: str, width: int = 60) -> str:
    """The start of a value on one line, quoted, for a message."""
    text = " ".join(text[: 4 * width].split())
    return repr(text if len(text) <= width else text[:width] + "…")
