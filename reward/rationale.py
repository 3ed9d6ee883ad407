"""A rationale: what a critic says about a dimension. Most of it is what it sees; what is wrong
stands somewhere behind.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["excerpt", "in_short"]

_READ: Final = 20_000
"""Characters from the end that are looked at."""
_SENTENCE: Final = re.compile(r"(?<=[.!?])(?<!\b[Nn]o\.)\s+(?=[^a-z\s])|(?<=[。！？])\s*|\n")
_HEADING: Final = re.compile(r":\s*\n\s*")
_ASIDE: Final = re.compile(r"\([^()]*\)")
_VERDICT: Final = re.compile(
    r"\W*(?:the\s+)?(?:missed|missing|lost|lacking|lacks|absent|wrong|incorrect|issues?|problems?"
    r"|errors?|flaws?|faults?|defects?|deductions?|weakness(?:es)?|mistakes?|shortcomings?"
    r"|not (?:met|made|shown|there|followed))\b[^.:]{0,30}:\W*(?!(?:none|nothing|no|n/?a)\b)\w",
    re.IGNORECASE,
)
"""A list of what is wrong, under its heading."""
_TURN: Final = re.compile(
    r"\b(?:however|but|although|though|yet|except|instead|rather than|whereas|only|too|should"
    r"|more than|less than|fewer|unfortunately)\b|但|然而|却|只有",
    re.IGNORECASE,
)
_DENIED: Final = re.compile(
    r"\b(?:no|not(?! only)|never|none|neither|nor|without|cannot)\b|n['’]t\b|不|没|无",
    re.IGNORECASE,
)
_FAULT: Final = re.compile(
    r"\b(?:miss(?:ed|es|ing)|lacks?|lacking|lost|absent|omit\w*|wrong\w*|incorrect\w*|fail\w*"
    r"|extra|error\w*|flaw\w*|defect\w*|artifact\w*|artefact\w*|distort\w*|deform\w*|blur\w*"
    r"|garbled|illegible|misspel\w*|mistake\w*|mismatch\w*|inconsisten\w*|unnatural\w*|unclear"
    r"|deviat\w*|contradict\w*|differ\w*|ignor\w*|partial\w*|incomplete\w*|broken|rough"
    r"|issues?|problems?|weak\w*)\b|缺|错|误|模糊",
    re.IGNORECASE,
)
_NOTHING: Final = re.compile(r"\b(?:nothing|free (?:of|from))\b", re.IGNORECASE)
_CLAUSE: Final = re.compile(
    r"[,;:—–-]\s+(?=(?:but|however|although|though|yet|except|while|whereas|instead)\b)"
    r"|\s(?=(?:but|however)\b)",
    re.IGNORECASE,
)
_LONG: Final = 160
"""Characters of a sentence that may begin with what is right."""


def in_short(rationale: str, length: int = 300) -> str:
    """What a rationale finds wrong, in its own words on one line; `…` where more was said.

    The sentences that list or name a fault, else the last ones: a verdict stands at the end.

    Args:
        length: characters at most.
    """
    sentences = _sentences(rationale)
    kept = _telling(sentences) or _last(sentences, length)
    if not kept:
        return ""
    text = " ".join(kept)
    if kept[0] != sentences[0] and not text.startswith("…"):
        text = f"… {text}"
    whole = len(text) <= length and sentences[-1].endswith(kept[-1].removeprefix("… "))
    return text if whole else f"{_cut(text, length - 2)} …"


def excerpt(rationale: str) -> str:
    """`in_short`, to stand above the whole; empty where it is the whole, or nothing is wrong."""
    said = in_short(rationale)
    is_whole = said == " ".join(rationale.split())
    return said if _telling(_sentences(rationale)) and not is_whole else ""


def _sentences(rationale: str) -> list[str]:
    parts = _SENTENCE.split(_HEADING.sub(": ", rationale[-_READ:]))
    return [" ".join(part.split()) for part in parts if part.strip()]


def _telling(sentences: list[str]) -> list[str]:
    """The sentences that tell what is wrong; none if no sentence does."""
    for at, sentence in enumerate(sentences):
        if _VERDICT.match(sentence):
            return sentences[at:]
    return [_clause(sentence) for sentence in sentences if _names_fault(sentence)]


def _names_fault(sentence: str) -> bool:
    """`The hat is missing`, `there is no hat`; but not `there are no artifacts`."""
    text = _ASIDE.sub("", sentence)
    denied, fault = _DENIED.search(text), _FAULT.search(text)
    if _TURN.search(text):
        return True
    return bool(denied) != bool(fault) and not (fault and _NOTHING.search(text))


def _clause(sentence: str) -> str:
    """The sentence, or its end from the turn on where it is long."""
    turn = _CLAUSE.search(sentence)
    return sentence if turn is None or len(sentence) <= _LONG else f"… {sentence[turn.end() :]}"


def _last(sentences: list[str], length: int) -> list[str]:
    start = len(sentences)
    room = length
    while start and (room := room - len(sentences[start - 1]) - 1) >= 0:
        start -= 1
    return sentences[start:] or sentences[-1:]


def _cut(text: str, length: int) -> str:
    """At most so many characters, up to the end of a word."""
    if len(text) <= length:
        return text
    return text[: length + 1].rpartition(" ")[0] or text[:length]
