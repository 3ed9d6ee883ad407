"""Texts for `str.format` that somebody else wrote."""

from __future__ import annotations

from collections.abc import Iterator
from string import Formatter

__all__ = ["has_fields", "plain_pieces"]

_MOST = 50
"""Fields of a text; each may become as long as what is put there."""


def plain_pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """Literal text, and the name of the field behind it; None behind the last.

    Raises:
        ValueError: its braces are of another kind, or a field says how it is laid out: `{x!r}`, or
            `{x:>1000000000}`, which would make a text of a gigabyte.
    """
    for literal, name, spec, conversion in Formatter().parse(text):
        if spec or conversion:
            raise ValueError(f"the field {name!r} says how it is laid out")
        yield literal, name


def has_fields(text: str, fields: frozenset[str]) -> bool:
    """Whether these are its fields, each plain, and there are 50 at most: `str.format` does no more
    than to put them in.
    """
    try:
        found = [name for _, name in plain_pieces(text) if name is not None]
    except ValueError:
        return False
    return frozenset(found) == fields and len(found) <= _MOST
