"""Intent protection: what a rewritten prompt must still say, and what it may not say.

A rewrite may add and reorder; it may not lose what the user spelled out. Protected are quoted
text, numbers (as digits or words), names, LoRA triggers, and weights such as `(red hat:1.3)`.
Who knows more about prompts has an `IntentCheck` of their own.

Every pattern here takes time in proportion to the text: a prompt may be long and hostile.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal, Protocol, runtime_checkable

from rr_refine.request import Request
from rr_refine.terms import Identity, Record
from rr_refine.wanted_text import QUOTED

__all__ = [
    "IntentCheck",
    "NoIntentCheck",
    "ProtectedSpan",
    "find_spans",
    "is_repeat",
    "lost_spans",
    "problems",
    "says",
]

SpanKind = Literal["quoted", "number", "name", "lora", "weight", "kept"]


@runtime_checkable
class IntentCheck(Protocol):
    """Rejects rewrites that no longer ask for what was asked, beyond what `problems` finds.

    For those who can read prompts of some kind: the words of a product line, a house style.
    `connect` and `aclose` are optional, see `rr_refine.component`.
    """

    @property
    def identity(self) -> Identity:
        """All that its answers depend on besides the request and the prompt."""
        ...

    def problems(self, request: Request, prompt: str) -> tuple[str, ...]:
        """Why `prompt` may not be used for `request`, each like `it does not ask for a red hat`.

        Nothing where the prompt is fine, or says nothing that this check understands. The same
        arguments must give the same answer: an interrupted run asks again.
        """
        ...


class NoIntentCheck:
    """Entry point `none` of `rr_refine.intent_checks`: no objection to anything."""

    identity = Identity(kind="none", name="none")

    def problems(self, request: Request, prompt: str) -> tuple[str, ...]:  # noqa: ARG002
        """None."""
        return ()


class ProtectedSpan(Record):
    """A piece of the request that every rewrite must hold."""

    kind: SpanKind
    text: str
    """The words; for quotes without the marks."""


_LORA: Final = re.compile(r"<(?:lora|lyco|hypernet):[^<>\n]+>", re.IGNORECASE)
_WEIGHT: Final = re.compile(r"\([^()\n]+:\d+(?:\.\d+)?\)")

# fmt: off
_UNITS: Final = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]
_TENS: Final = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
# fmt: on
_VALUES: Final[dict[str, str]] = (
    {word: str(value) for value, word in enumerate(_UNITS, 1)}
    | {word: f"{ten}0" for ten, word in enumerate(_TENS, 2)}
    | {
        f"{tens}-{unit}": f"{ten}{value}"
        for ten, tens in enumerate(_TENS, 2)
        for value, unit in enumerate(_UNITS[:9], 1)
    }
    | {"dozen": "12", "hundred": "100", "thousand": "1000"}
)
# ASCII, so that "3只猫" (three cats) holds a number: such scripts set no space behind it.
_NUMBER: Final = re.compile(
    r"(?<!\w)(?<!\d[.,:])\d+(?:[.,:]\d+)*+(?!\w)"
    rf"|\b(?:{'|'.join(sorted(_VALUES, key=len, reverse=True))})\b",
    re.ASCII | re.IGNORECASE,
)
_WORD: Final = re.compile(r"\b[^\W\d_][\w'’-]*+")
_SHORT: Final = 64
"""Characters of words that are looked up by their length; of longer ones there are few."""
_ENDINGS: Final = frozenset({"s", "m", "d", "t", "ll", "re", "ve"})


def find_spans(prompt: str, keep: Iterable[str] = ()) -> tuple[ProtectedSpan, ...]:
    """The protected spans of a request, in order of kind, each once.

    A name is a capitalised word inside a sentence. The first word of a sentence is not, since it
    is capitalised anyway, nor is a word all in capitals, which is mostly shouting.

    Args:
        keep: words that the user protects by hand.
    """
    spans: list[ProtectedSpan] = [ProtectedSpan(kind="kept", text=k) for k in keep if k.strip()]
    rest = prompt
    kinds: tuple[tuple[SpanKind, re.Pattern[str]], ...] = (
        ("lora", _LORA),
        ("weight", _WEIGHT),
        ("quoted", QUOTED),
    )
    for kind, pattern in kinds:
        for match in pattern.finditer(rest):
            start, end = match.span(match.lastindex or 0)
            if rest[start:end].strip():
                spans.append(ProtectedSpan(kind=kind, text=prompt[start:end]))
        rest = pattern.sub(lambda m: " " * len(m.group()), rest)
    for match in _NUMBER.finditer(rest):
        if (word := match.group().lower()) != "one":  # "the one on the left" counts nothing
            spans.append(ProtectedSpan(kind="number", text=word))
    spans += [ProtectedSpan(kind="name", text=name) for name in _names(rest, prompt)]
    return tuple(dict.fromkeys(spans))


def _names(rest: str, prompt: str) -> Iterator[str]:
    """Capitalised words of `rest`; those with one space between them are one name."""
    start = end = -1
    for match in _WORD.finditer(rest):
        word = _stem(match.group())
        if len(word) < 2 or not word[0].isupper() or word.lower() in _VALUES:
            continue
        at = match.start()
        if at == end + 1 and rest[end] == " ":
            end = at + len(word)
        elif not word.isupper() and not _opens_sentence(prompt[max(0, at - 8) : at]):
            if start >= 0:
                yield rest[start:end]
            start, end = at, at + len(word)
    if start >= 0:
        yield rest[start:end]


def _stem(word: str) -> str:
    """A word without a possessive or another ending behind an apostrophe."""
    word = word.rstrip("'’-")
    head, _, ending = word.replace("’", "'").rpartition("'")
    return word[: len(head)] if ending in _ENDINGS else word


def _opens_sentence(before: str) -> bool:
    before = before.rstrip(" \t\"'“„‘«(")
    return not before or before[-1] in ".!?…\n"


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
    if not prompt.strip():
        return ["it is empty"]
    limit = 4000 + 4 * len(original)
    if len(prompt) > limit:
        return [f"it is {len(prompt)} characters long, more than {limit}"]
    found: list[str] = []
    new = set(prompt) - set(original) - {"\n", "\t", "\r"}
    if any(unicodedata.category(c) == "Cc" for c in new):
        found.append("it holds control characters")
    if is_repeat(prompt, tried):
        found.append("it repeats an earlier prompt")
    found += [f"it lost the {span.kind} {span.text!r}" for span in lost_spans(prompt, spans)]
    for word in avoid:
        if says(prompt, word) and not says(original, word):
            found.append(f"it says {word!r}, which is to be avoided")
    return found


def says(text: str, words: str) -> bool:
    """Whether a text holds these words, in whatever case; not where there are none."""
    return _words(_fold(text)).hold(_fold(words))


def lost_spans(prompt: str, spans: Iterable[ProtectedSpan]) -> tuple[ProtectedSpan, ...]:
    """Those that a prompt does not hold."""
    held = _Prompt(prompt)
    return tuple(span for span in spans if not held.holds(span))


def is_repeat(prompt: str, tried: Iterable[str]) -> bool:
    """Whether a prompt is the same as an earlier one, up to case, spaces and final dots."""
    folded = _fold(prompt).rstrip(" .")
    return any(folded == _fold(earlier).rstrip(" .") for earlier in tried)


class _Prompt:
    """A prompt in the forms that spans are looked up in."""

    def __init__(self, text: str) -> None:
        self._exact, self._folded = _words(_squeeze(text)), _words(_fold(text))
        self._numbers = {_value(match.group()) for match in _NUMBER.finditer(text)}

    def holds(self, span: ProtectedSpan) -> bool:
        """Whether the span is there: in quotes spelling and case matter, in numbers the value."""
        match span.kind:
            case "lora" | "weight" | "quoted":
                return self._exact.hold(_squeeze(span.text))
            case "number":
                return _value(span.text) in self._numbers
            case "name" | "kept":
                return self._folded.hold(_fold(span.text))


def _value(number: str) -> str:
    return _VALUES.get(number.lower(), number)


class _Words:
    """A text in which words are looked up; whole ones only: `art` is not in `start`. Scripts
    without spaces match anywhere.

    There may be tens of thousands to look up: for all of one length the text is gone through once.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        inner = (at for at, (a, b) in enumerate(pairwise(text), 1) if not _joined(a, b))
        self._edges = [0, *inner, len(text)]
        """Where words may begin and end."""
        self._ends = set(self._edges)
        self._pieces: dict[int, set[str]] = {}

    def hold(self, words: str) -> bool:
        """Whether they are there; not where there are none."""
        size, text = len(words), self._text
        begins = (at for at in self._edges if at + size in self._ends)
        if size > _SHORT:
            return words in text and any(text.startswith(words, at) for at in begins)
        if size not in self._pieces:
            self._pieces[size] = {text[at : at + size] for at in begins if size}
        return words in self._pieces[size]


_words = lru_cache(4)(_Words)


def _joined(left: str, right: str) -> bool:
    """Whether two characters side by side are one word: of a script that sets spaces."""
    return all(c.isalnum() and (c.isascii() or c.lower() != c.upper()) for c in (left, right))


def _squeeze(text: str) -> str:
    return " ".join(text.split())


@lru_cache(256)  # each new prompt is compared with all earlier ones
def _fold(text: str) -> str:
    # This one mark would become a letter by case folding, and join words that were apart.
    return _squeeze(text).replace("\u0345", "'").casefold()
