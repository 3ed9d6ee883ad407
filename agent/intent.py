"""Intent protection: what a rewritten prompt must still say, and what it may not say.

A rewrite may add and reorder; it may not lose what the user spelled out. Protected are quoted
text, numbers (as digits or words), names, LoRA triggers, and weights such as `(red hat:1.3)`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from rr_refine.terms import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ProtectedSpan", "find_spans", "is_repeat", "problems"]

SpanKind = Literal["quoted", "number", "name", "lora", "weight", "kept"]


class ProtectedSpan(Record):
    """A piece of the request that every rewrite must hold."""

    kind: SpanKind
    text: str
    """The words; for quotes without the marks."""


_QUOTED: Final = re.compile(
    r'"([^"\n]{1,200})"|“([^”\n]{1,200})”|«([^»\n]{1,200})»'
    r"|「([^」\n]{1,200})」|『([^』\n]{1,200})』"
    r"|(?<!\w)'([^'\n]{1,200})'(?!\w)|(?<!\w)‘([^’\n]{1,200})’(?!\w)"
)
_LORA: Final = re.compile(r"<(?:lora|lyco|hypernet):[^<>\n]{1,200}>", re.IGNORECASE)
_WEIGHT: Final = re.compile(r"\([^()\n]{1,200}:\d+(?:\.\d+)?\)")
_DIGITS: Final = re.compile(r"(?<![\w.,])\d+(?:[.,:]\d+)*(?![\w])")
_NAME: Final = re.compile(r"(?<![.!?\n] )(?<!^)\b[A-Z][\w'’-]*[a-z][\w'’-]*(?: [A-Z][\w'’-]+)*")

_NUMBER_WORDS: Final[dict[str, str]] = {
    word: str(value)
    for value, word in enumerate(
        [
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ],
        start=2,
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "hundred": "100", "dozen": "12"}
_WORDS_BY_NUMBER: Final = {digits: word for word, digits in _NUMBER_WORDS.items()}
_NUMBER_WORD: Final = re.compile(rf"\b(?:{'|'.join(_NUMBER_WORDS)})\b", re.IGNORECASE)


def find_spans(prompt: str, keep: Iterable[str] = ()) -> tuple[ProtectedSpan, ...]:
    """The protected spans of a request, in order of kind, each once.

    Args:
        keep: words that the user protects by hand.
    """
    spans: list[ProtectedSpan] = [ProtectedSpan(kind="kept", text=k) for k in keep if k.strip()]
    rest = prompt
    for kind, pattern in (("lora", _LORA), ("weight", _WEIGHT), ("quoted", _QUOTED)):
        for match in pattern.finditer(rest):
            text = next((g for g in match.groups() if g is not None), match.group())
            if text.strip():
                spans.append(ProtectedSpan.model_validate({"kind": kind, "text": text}))
        rest = pattern.sub(lambda m: " " * len(m.group()), rest)
    for match in _DIGITS.finditer(rest):
        spans.append(ProtectedSpan(kind="number", text=match.group()))
    for match in _NUMBER_WORD.finditer(rest):
        spans.append(ProtectedSpan(kind="number", text=match.group().lower()))
    for match in _NAME.finditer(rest):
        spans.append(ProtectedSpan(kind="name", text=match.group()))
    return tuple(dict.fromkeys(spans))


def problems(
    prompt: str,
    spans: Iterable[ProtectedSpan],
    *,
    avoid: Iterable[str] = (),
    original: str = "",
    tried: Iterable[str] = (),
) -> list[str]:
    """Why a rewritten prompt may not be used, in words; empty if it may.

    Args:
        avoid: words it may not hold, unless the original request holds them too.
        tried: prompts that were used before; the same again would be a wasted render.
    """
    found: list[str] = []
    if not prompt.strip():
        return ["it is empty"]
    if any((ord(c) < 32 and c not in "\n\t\r") or ord(c) == 127 for c in prompt):
        found.append("it holds control characters")
    limit = 4000 + 4 * len(original)
    if len(prompt) > limit:
        found.append(f"it is {len(prompt)} characters long, more than {limit}")
    if is_repeat(prompt, tried):
        found.append("it repeats an earlier prompt")
    found += [
        f"it lost the {span.kind} {span.text!r}" for span in spans if not _holds(prompt, span)
    ]
    folded, before = _fold(prompt), _fold(original)
    for word in avoid:
        if _has_words(folded, _fold(word)) and not _has_words(before, _fold(word)):
            found.append(f"it says {word!r}, which is to be avoided")
    return found


def is_repeat(prompt: str, tried: Iterable[str]) -> bool:
    """Whether a prompt is the same as an earlier one, up to case, spaces and final dots."""
    folded = _fold(prompt).rstrip(" .")
    return any(folded == _fold(earlier).rstrip(" .") for earlier in tried)


def _holds(prompt: str, span: ProtectedSpan) -> bool:
    if span.kind in ("quoted", "lora", "weight"):
        return _squeeze(span.text) in _squeeze(prompt)  # spelling and case matter
    if span.kind == "number":
        forms = {span.text, _NUMBER_WORDS.get(span.text, ""), _WORDS_BY_NUMBER.get(span.text, "")}
        folded = _fold(prompt)
        return any(_has_words(folded, form) for form in forms if form)
    return _has_words(_fold(prompt), _fold(span.text))


def _has_words(text: str, words: str) -> bool:
    """Whole words only: `art` is not in `start`. Scripts without spaces match anywhere."""
    if words.isascii():
        return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None
    return words in text


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _fold(text: str) -> str:
    return _squeeze(text).casefold()
