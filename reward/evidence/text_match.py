"""Lettering that was read, against lettering that was asked for.

Compared are letters and digits of all scripts, whatever their case, accents or width: those who
read text are not sure of these, nor of spaces and punctuation.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from rapidfuzz.distance import Levenshtein

from rr_refine.reward.evidence.evidence import Box, Finding, FindingKind
from rr_refine.wanted_text import WantedText

__all__ = ["TextLine", "match_texts"]

_SIMILAR: Final = 0.5
"""Share of letters that may differ in what is still called a misspelling; beyond, it is missing."""

_LIKE: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "ı": "l"})
"""Signs that look alike in many fonts."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text as it was read."""

    text: str
    box: Box
    sure: float
    """From 0 to 1."""


@dataclass(frozen=True, slots=True)
class _Letter:
    sign: str
    """As it is compared."""
    line: int
    at: int
    """Which character of which reading it is."""
    word: int
    """Number of its word. A script that sets no spaces has a word for each character."""


@dataclass(frozen=True, slots=True)
class _Match:
    letters: tuple[_Letter, ...]
    distance: int
    """Letters to add, drop or change."""


def match_texts(wanted: Sequence[WantedText], readings: Sequence[TextLine]) -> tuple[Finding, ...]:
    """A finding for each text that was asked for, in its order, and one for each other line.

    A text may be spread over several lines, or share a line with another. Case, accents, spaces,
    punctuation and look-alikes (0 and O; 1, I and l) do not count.
    """
    asked = ["".join(sign for sign, _ in _signs(one.text)) for one in wanted]
    orders = [
        list(_letters(readings, order, frozenset(asked)))
        for order in (_by_rows(readings), _by_columns(readings))
    ]
    used: set[tuple[int, int]] = set()
    found: dict[int, _Match] = {}
    # Those that are there as asked come first, so that none is taken for another's misspelling.
    for limit in (0.0, _SIMILAR):
        for index, signs in enumerate(asked):
            if index in found or not signs:
                continue
            free = [[one for one in order if (one.line, one.at) not in used] for order in orders]
            match = min((_best(signs, one) for one in free), key=lambda one: one.distance)
            if match.letters and match.distance <= limit * max(len(signs), len(match.letters)):
                found[index] = match
                used.update((one.line, one.at) for one in match.letters)
    for index, match in found.items():
        if not match.distance:
            found[index] = _with_doubles(match, readings, used)
    lines = {line for line, _ in used}
    return (
        *(_finding(one, asked[i], found.get(i), readings) for i, one in enumerate(wanted)),
        *(_extra(one) for line, one in enumerate(readings) if line not in lines),
    )


def _finding(
    wanted: WantedText, signs: str, match: _Match | None, readings: Sequence[TextLine]
) -> Finding:
    asked = wanted.text
    if match is None:
        kind: FindingKind = "missing"
        reason = f"it does not say {asked!r}"
        if not signs:
            kind, reason = "abstained", f"there is no letter in {asked!r}"
        elif not wanted.sure:
            kind, reason = "abstained", f"{asked!r} may not have been meant to be written"
        return _made(kind, asked, None, None, 1.0, reason)
    lines = [readings[n] for n in dict.fromkeys(one.line for one in match.letters)]
    text = " ".join(
        readings[n].text[min(places) : max(places) + 1]
        for n in dict.fromkeys(one.line for one in match.letters)
        if (places := [one.at for one in match.letters if one.line == n])
    )
    left, top = (min(line.box[i] for line in lines) for i in (0, 1))
    right, bottom = (max(line.box[i] for line in lines) for i in (2, 3))
    box = left, top, right, bottom
    sure = min(line.sure for line in lines)
    if not match.distance:
        return _made("right", asked, text, box, sure, f"it says {text!r}")
    what = _difference(
        [(sign, asked[at]) for sign, at in _signs(asked)],
        [(one.sign, readings[one.line].text[one.at]) for one in match.letters],
    )
    reason = f"it says {text!r}, asked was {asked!r}: {what}"
    return _made("wrong" if wanted.sure else "abstained", asked, text, box, sure, reason)


def _extra(reading: TextLine) -> Finding:
    reason = f"it also says {reading.text!r}"
    return _made("extra", None, reading.text, reading.box, reading.sure, reason)


def _made(
    kind: FindingKind, asked: str | None, text: str | None, box: Box | None, sure: float, why: str
) -> Finding:
    return Finding(
        kind=kind, dimension="text_rendering", expected=asked, found=text, box=box, sure=sure,
        reason=why,
    )  # fmt: skip


def _best(asked: str, text: Sequence[_Letter]) -> _Match:
    """The stretch of whole words that is most like a text; of several, that on fewest lines."""
    words = [list(group) for _, group in groupby(text, key=lambda one: one.word)]
    best, least = _Match((), len(asked)), (len(asked), 0, 0)
    longest = len(asked) * (1 + _SIMILAR) + 1
    for start in range(len(words)):
        letters: list[_Letter] = []
        for word in words[start:]:
            letters += word
            if len(letters) > longest:
                break
            signs = "".join(one.sign for one in letters)
            distance = Levenshtein.distance(asked, signs, score_cutoff=least[0])
            rank = distance, len({one.line for one in letters}), abs(len(signs) - len(asked))
            if rank < least:
                best, least = _Match(tuple(letters), distance), rank
    return best


def _with_doubles(
    match: _Match, readings: Sequence[TextLine], used: set[tuple[int, int]]
) -> _Match:
    """A match with the characters at its ends that stand there twice, and belong to no other text.

    Where words have no spaces around them, what stands beside a text is other text, or else one
    character too much: so is a double.
    """
    letters = list(match.letters)
    for end, step in ((0, -1), (-1, 1)):
        edge = letters[end]
        text, at = readings[edge.line].text, edge.at + step
        while 0 <= at < len(text) and text[at] == text[edge.at] and not _sets_spaces(text[at]):
            if (edge.line, at) in used:
                break
            used.add((edge.line, at))
            letters.insert(len(letters) if step > 0 else 0, replace(edge, at=at))
            at += step
    return _Match(tuple(letters), len(letters) - len(match.letters))


def _letters(
    readings: Sequence[TextLine], order: Sequence[int], asked: frozenset[str]
) -> Iterator[_Letter]:
    """The letters of all lines. What two texts that were asked for make together is two words:
    spaces are easily overlooked.
    """
    number = 0
    for line in order:
        for word in _words(readings[line].text):
            signs = "".join(sign for sign, _ in word)
            ends = {i for i in range(1, len(signs)) if {signs[:i], signs[i:]} <= asked}
            number += 1
            for i, (sign, at) in enumerate(word):
                number += i in ends
                yield _Letter(sign, line, at, number)


def _words(text: str) -> Iterator[list[tuple[str, int]]]:
    """Words as they are compared. A script that sets no spaces has one for each character."""
    word: list[tuple[str, int]] = []
    for sign, at in _signs(text):
        if word and (
            any(c.isspace() for c in text[word[-1][1] : at]) or not _sets_spaces(text[at])
        ):
            yield word
            word = []
        word.append((sign, at))
    if word:
        yield word


def _signs(text: str) -> Iterator[tuple[str, int]]:
    """Letters and digits as they are compared, each with the place of its character."""
    for place, character in enumerate(text):
        folded = unicodedata.normalize("NFKD", character).casefold().translate(_LIKE)
        for sign in folded:
            if sign.isalnum():
                yield sign, place


def _sets_spaces(character: str) -> bool:
    """Whether its script sets spaces between words."""
    return character.isascii() or character.lower() != character.upper()


def _by_rows(readings: Sequence[TextLine]) -> list[int]:
    """As one reads lines: those beside each other from left to right, then downwards."""
    left = sorted(range(len(readings)), key=lambda n: readings[n].box[1])
    order: list[int] = []
    while left:
        top = readings[left[0]].box
        row = [n for n in left if _middle(readings[n].box) < top[3]]
        row = row or left[:1]
        order += sorted(row, key=lambda n: readings[n].box[0])
        left = [n for n in left if n not in row]
    return order


def _by_columns(readings: Sequence[TextLine]) -> list[int]:
    """As one reads signs that are set one below the other, in columns from right to left."""
    return sorted(range(len(readings)), key=lambda n: (-readings[n].box[2], readings[n].box[1]))


def _middle(box: Box) -> float:
    return (box[1] + box[3]) / 2


def _difference(asked: Sequence[tuple[str, str]], found: Sequence[tuple[str, str]]) -> str:
    """Which letters are wrong, in words; of (as compared, as written) each."""
    old, new = (["".join(one[i] for one in side) for i in (0, 1)] for side in (asked, found))
    swapped = [i for i, (a, b) in enumerate(zip(old[0], new[0], strict=False)) if a != b]
    if len(old[0]) == len(new[0]) and len(swapped) == 2:
        i, j = swapped
        if j == i + 1 and old[0][i] == new[0][j] and old[0][j] == new[0][i]:
            return f"{new[1][i]} and {new[1][j]} are swapped"
    said: list[str] = []
    for step in Levenshtein.opcodes(old[0], new[0]):
        before = old[1][step.src_start : step.src_end]
        after = new[1][step.dest_start : step.dest_end]
        match step.tag:
            case "replace":
                said.append(f"{after} in place of {before}")
            case "delete":
                said.append(f"{before} is missing")
            case "insert":
                said.append(f"{after} is too much")
    return ", ".join(said)
