"""Values in a critic's answer: what a score, a winner or a refined request says, or a ValueError.

Nothing is guessed, clamped or averaged: a value that leaves a careful reader in doubt is an error.
"""

from __future__ import annotations

import re
from typing import Final

from rr_refine.reward.comparison import Winner
from rr_refine.terms import SCORE_MAX, SCORE_MIN

__all__ = [
    "TruncatedTextError",
    "excerpt",
    "is_score",
    "read_request",
    "read_score",
    "read_text",
    "read_winner",
]

# Every quantifier that meets marks or blanks is bounded, so that no input makes matching quadratic.
_OPEN: Final = r"[\s*_`\"'(\[]{0,8}"
_CLOSE: Final = r"[*_`\"')\]]{0,4}"
_REMARK: Final = r"\s{0,3}[(\[].*|\s{1,3}[-–—]\s.*|;\s.*"
_NOT_APPLICABLE: Final = r"n\s?/\s?a|n\.a\.?|na|not\sapplicable"

_SCORE: Final = re.compile(
    rf"""
    {_OPEN}
    (?: (?: about | around | approximately | approx\.? | roughly | circa | ~ | ≈ | =
          | i(?:'d|\swould)\s(?:say|give)(?:\sit)?(?:\sa)? ) [\s*_`]{{0,4}} )?
    (?P<number> [0-9]{{1,4}} (?P<fraction> \.[0-9]{{1,4}} | ,[0-9]{{1,2}} )? )
    (?P<closed> {_CLOSE} )
    (?P<scale> \s{{0,2}} \(? \s? (?: / | out\sof ) \s?
               4 (?:\.0{{1,2}})? (?! [.,]?[0-9] ) {_CLOSE} )?
    (?P<remark> {_REMARK} | ,\s.*
              | \.(?(fraction)(?:\s.*)?|(?=\s*\Z)) )?  # `3. Some text` may be an item of a list
    \s*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NO_SCORE: Final = re.compile(
    rf"{_OPEN}(?:{_NOT_APPLICABLE}){_CLOSE}(?P<remark>{_REMARK}|[.,](?:\s.*)?)?\s*", re.IGNORECASE
)
_DOUBT: Final = re.compile(r"\d|[?%]|\b(?:n/a|out\sof|scale)\b", re.IGNORECASE)
"""What must not stand beside a score: a second number, verdict or scale, or a question mark."""

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

_NO_REQUEST: Final = re.compile(
    r"""
    (?: none | n/?a | not\s(?:applicable|needed|necessary|required) | unchanged
      | no(?:ne)?\s(?:further\s)?(?:refinements?|changes?|modifications?|revisions?)
        (?:\s(?:is|are))?(?:\s(?:needed|necessary|required))?
      | none\s(?:needed|necessary|required)
      | (?:the\s)?same\sas\s(?:the\s)?original(?:\s(?:user\s)?(?:request|prompt))? )
    (?: \s{0,3}[.(\[;–—-] .* )?
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_PLACEHOLDER: Final = re.compile(r"<[^<>:]+>|\[[^\[\]]+\]|\{[^{}]+\}")
"""A format that was echoed, not filled in; `<lora:name:1>` is a tag of a prompt."""
_FENCE: Final = re.compile(r"```[\w-]{0,16}[ \t]{0,4}\n")
_QUOTES: Final = {
    '"': '"',
    "'": "'",
    "`": "`",
    "“": "”",
    "”": "”",
    "„": "“”",
    "‘": "’",
    "«": "»",
    "»": "«",
    "‹": "›",
    "「": "」",
    "『": "』",
}
"""Opening mark -> the marks that can close it."""

_ASCII: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {ord("’"): ord("'")}
"""Full-width forms, one by one: a general normalisation would read `3.5²` as 3.52."""


class TruncatedTextError(ValueError):
    """The text certainly ends inside what was to be read."""


def read_score(text: str) -> float | None:
    """The score in [1, 4] that a `Score` field states, or None for N/A.

    A number may have its scale behind it (`/4`, `out of 4`) and a remark without a second number
    (`(minor flaws)`). A bare `3` that touches the end of the answer may be half of `3.5`: something
    must show that it is whole, such as a line break, a closing mark, the scale or a remark. `3.5`
    needs none, as the critics write one decimal, and neither does `4`, as nothing is above it.

    Raises:
        ValueError: anything else; the message says what is wrong with the value.
    """
    value = text.translate(_ASCII)
    match = _NO_SCORE.fullmatch(value) or _SCORE.fullmatch(value)
    if match is None or _DOUBT.search(remark := match["remark"] or ""):
        raise ValueError(f"{excerpt(text)} is neither one number nor N/A")
    if match.re is _NO_SCORE:
        return None
    ended = match["closed"] or match["scale"] or remark.strip(" .,;-–—") or value.endswith("\n")
    if not ended and match["number"] in ("1", "2", "3"):
        raise ValueError(f"the answer ends right behind {excerpt(text)}, which may be cut short")
    score = float(match["number"].replace(",", "."))
    if not SCORE_MIN <= score <= SCORE_MAX:
        raise ValueError(f"{excerpt(text)} is outside [{SCORE_MIN}, {SCORE_MAX}]")
    return score


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
    match = _WINNER.fullmatch(text.translate(_ASCII))
    if match is None:
        raise ValueError(f"{excerpt(text)} is none of Image A, Image B, It's a tie, N/A")
    if match["side"]:
        return "a" if match["side"] in "aA" else "b"
    return "tie" if match["tie"] else None


def read_request(text: str) -> str | None:
    """A proposed prompt without the quotes or the fence around it; None when none is proposed.

    Raises:
        TruncatedTextError: it opens with a quote or a fence that nothing closes.
        ValueError: it is the template's placeholder (`<the new request>`).
    """
    request = read_text(text)
    if fence := _FENCE.match(request):
        request, closed, _ = request[fence.end() :].partition("```")
        if not closed:
            raise TruncatedTextError(f"the fence around {excerpt(request)} is never closed")
    request = _unquoted(read_text(request))
    if not request.strip("-–—.`*'\" \n") or _NO_REQUEST.fullmatch(request):
        return None
    opening = request[0]
    if opening in '"“„«「『' and not any(c in request[1:] for c in _QUOTES[opening]):
        raise TruncatedTextError(f"the quote that opens in {excerpt(request)} is never closed")
    if _PLACEHOLDER.fullmatch(request):
        raise ValueError(f"{excerpt(request)} is the template's placeholder")
    return request


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


def _unquoted(text: str) -> str:
    """Take off bold marks and quotes that enclose the whole text, up to three pairs deep."""
    for _ in range(3):
        if len(text) < 2:
            break
        if text.startswith("**") and text.endswith("**") and "**" not in text[2:-2]:
            text = text[2:-2].strip()
        elif text[-1] in _QUOTES.get(text[0], "") and not _closes_early(text):
            text = text[1:-1].strip()
        else:
            break
    return text


def _closes_early(text: str) -> bool:
    """Whether the quote that opens `text` is closed before its end: `"A" beside "B"`."""
    for found in re.finditer(f"[{re.escape(_QUOTES[text[0]])}]", text[1:-1]):
        before, after = text[found.start()], text[found.start() + 2]
        if before.isspace():  # opens an inner quotation, so the outer one is still open
            return False
        if not after.isalnum():  # an apostrophe inside a word closes nothing
            return True
    return False
