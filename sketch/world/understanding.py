"""What of a request is not understood in the small world, and so is neither drawn nor judged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from rr_refine.sketch.world.edit import KEEP_REST, edit_parts
from rr_refine.sketch.world.phrasing import SPOKEN, TextReading, read
from rr_refine.sketch.world.request import COUNTS
from rr_refine.sketch.world.scene import BACKGROUNDS, COLOURS, KINDS, MAX_SHAPES, SIZES, plural
from rr_refine.terms import Task

__all__ = ["means_nothing", "not_understood"]

_OPENING: Final = re.compile(
    r"(?:(?:hey|just|please|can you|i would like(?: to see)?|draw|make|there (?:is|are)"
    r"|(?:a|an|the)(?: nice)?(?: little)? (?:picture|image) (?:of|with)),? )+",
    re.IGNORECASE,
)
_CLOSING: Final = re.compile(r"(?<![\w'’-])(?:(?:for me|please)[ ,.!?]*){1,9}$", re.IGNORECASE)
_ENDING: Final = re.compile(r"(?<![\w'’-])nothing else(?!['’-]?\w)", re.IGNORECASE)
_KEPT: Final = re.compile(re.escape(KEEP_REST), re.IGNORECASE)
_JOINT: Final = re.compile(r"[,;:.!?]+|(?<![\w'’-])and(?!['’-]?\w)", re.IGNORECASE)
_PART: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]+|_+")
"""A word, or signs that are none."""
_KINDS: Final = {*KINDS, *map(plural, KINDS)}
_LOOKS: Final = {*COLOURS, *SIZES, *BACKGROUNDS}
_NUMBERS: Final = set(COUNTS[2 : MAX_SHAPES + 1])


def not_understood(text: str, task: Task = "t2i") -> tuple[str, ...]:
    """What of a request means nothing in the small world, each once, in order, as it is written.

    A request is read whole: what is no part of a thing, a place, a relation, a background or a word
    to write is open. Words that the world does not have stand by themselves (`sofa`); those that it
    has, in an order that means nothing in it, together (`a square circle`). What can be written in
    a picture (`the word CAT`) means nothing elsewhere (`a cat`).
    """
    if task == "edit":
        return () if edit_parts(text) else _open_parts(_KEPT.split(text)) or (text.strip(),)
    reading = read(text)
    found = _open_parts(_left_out(reading))
    # Read, and yet impossible: six shapes, or two in one place.
    return found if found or reading.request else (text.strip(),)


def means_nothing(text: str, task: Task = "t2i") -> bool:
    """Whether a request names not one thing of the small world, so that there is nothing to judge.

    A kind of shape alone, among words from elsewhere, is none: `square dance`, `a rock star`.
    """
    if not (left := not_understood(text, task)) or (task == "t2i" and read(text).request):
        return False
    words = {word.lower() for word in _PART.findall(text)}
    if task == "edit":
        return words.isdisjoint(_KINDS | _LOOKS | {"background"})
    known = all(word.lower() in SPOKEN for part in left for word in _PART.findall(part))
    return words.isdisjoint(_KINDS) or not (known or words & (_LOOKS | _NUMBERS))


def _left_out(reading: TextReading) -> Iterator[str]:
    """What stands between the spans that were read."""
    text, spans = reading.text, list(reading.spans)
    for match in (_OPENING.match(text), _CLOSING.search(text), _ENDING.search(text)):
        spans += [match.span()] if match else []
    at = 0
    for start, end in sorted(spans):
        yield text[at:start]
        at = max(at, end)
    yield text[at:]


def _open_parts(pieces: list[str] | Iterator[str]) -> tuple[str, ...]:
    found = []
    for piece in pieces:
        for clause in filter(None, map(str.strip, _JOINT.split(piece))):
            parts = [part for part in _PART.findall(clause) if part.lower() not in SPOKEN]
            found += parts or [clause]
    return tuple(dict.fromkeys(found))
