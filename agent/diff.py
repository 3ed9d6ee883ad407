"""What changed between two prompts, word by word; for the report and for the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final, Literal, get_args

__all__ = ["Kind", "Piece", "diff_words", "spaced"]

Kind = Literal["same", "added", "dropped"]

# A word, a sign, or a character of a script that sets no spaces; each with the space behind it.
_TOKEN: Final = re.compile(
    r"(?:[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+|\W)\s*"
)
_MOST: Final = 400_000
"""Pairs of words beyond which two middles count as wholly different: matching is quadratic."""


_RUNS: Final = 3
"""So many stretches that stayed can be read, however short they are."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words."""

    kind: Kind
    text: str


def diff_words(old: str, new: str) -> tuple[Piece, ...]:
    """The pieces of both texts in reading order; white space alone is no change.

    The same and added pieces together are `new`, as it is written but for space around it. Where
    the two share little, all of `old` is dropped, and all of `new` added on a line of its own:
    nobody can read a text with another one strewn between its words.
    """
    a, b = _TOKEN.findall(old.strip()), _TOKEN.findall(new.strip())
    words = [token.strip() for token in a], [token.strip() for token in b]
    pieces: list[Piece] = []
    for kind, text in _operations(a, b, *words):
        if pieces and pieces[-1].kind == kind:
            text = pieces.pop().text + text
        pieces.append(Piece(kind, text))
    if _shares_little(pieces):
        return Piece("dropped", f"{old.strip()}\n"), Piece("added", new.strip())
    return tuple(pieces)


def spaced(pieces: Sequence[Piece]) -> Iterator[tuple[Kind, str, str]]:
    """Each piece as kind, words, and the space behind them; dropped words are always set apart."""
    for piece, following in zip_longest(pieces, pieces[1:]):
        words = piece.text.rstrip()
        apart = following is not None and "dropped" in (piece.kind, following.kind)
        yield piece.kind, words, piece.text[len(words) :] or " " * apart


def _shares_little(pieces: Sequence[Piece]) -> bool:
    """Whether less than half of the shorter text stayed, or only words here and there."""
    count = dict.fromkeys(get_args(Kind), 0)
    runs = 0
    for piece in pieces:
        words = sum(token[0].isalnum() for token in _TOKEN.findall(piece.text))
        count[piece.kind] += words
        runs += piece.kind == "same" and words > 0
    same, shorter = count["same"], count["same"] + min(count["dropped"], count["added"])
    return same < shorter / 2 or (runs > _RUNS and same < 1.5 * runs)


def _operations(
    a: Sequence[str], b: Sequence[str], old: Sequence[str], new: Sequence[str]
) -> Iterator[tuple[Kind, str]]:
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    middle = slice(start, len(old) - end), slice(start, len(new) - end)
    yield from _part("same", b[:start])
    if (len(old) - start - end) * (len(new) - start - end) > _MOST:
        yield from _part("dropped", a[middle[0]])
        yield from _part("added", b[middle[1]])
    else:
        matcher = SequenceMatcher(None, old[middle[0]], new[middle[1]])
        for operation, a1, a2, b1, b2 in matcher.get_opcodes():
            if operation == "equal":
                yield from _part("same", b[start + b1 : start + b2])
                continue
            yield from _part("dropped", a[start + a1 : start + a2])
            yield from _part("added", b[start + b1 : start + b2])
    yield from _part("same", b[len(b) - end :])


def _part(kind: Kind, tokens: Sequence[str]) -> Iterator[tuple[Kind, str]]:
    if tokens:
        yield kind, "".join(tokens)


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """How many items at the start are the same."""
    count = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        count += 1
    return count
