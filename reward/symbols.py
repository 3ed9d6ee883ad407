"""Symbolic values: what a piece of Python stands for, as far as reading it can tell.

A text may hold stand-ins for what is known only later, and everything that strings and lists do
here is what Python's own do. What cannot be told raises `NotToldError`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Final, TypeAlias

__all__ = [
    "LONGEST",
    "NotToldError",
    "Picture",
    "Unknown",
    "Value",
    "call_function",
    "call_method",
    "compare",
    "is_stand_in",
    "item",
    "plus",
    "split_at_stand_ins",
    "stand_in",
    "truth",
]

LONGEST: Final = 50_000
"""Characters of a text, or items of a list, so that no source can fill the memory."""

_METHODS: Final[Mapping[str, Callable[..., object]]] = {
    "strip": str.strip,
    "lstrip": str.lstrip,
    "rstrip": str.rstrip,
    "removeprefix": str.removeprefix,
    "removesuffix": str.removesuffix,
    "replace": str.replace,
    "split": str.split,
    "partition": str.partition,
    "rpartition": str.rpartition,
}


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that only running the code could tell: harmless until somebody needs it."""

    line: int
    source: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A content part that holds a picture, however the code gets it there."""

    source: str


Value: TypeAlias = "str | int | list[Value] | dict[str, Value] | Unknown | Picture | None"
"""Truth values are numbers, tuples are lists."""


class NotToldError(Exception):
    """Only running the code could tell; `cause` is the value that made it so, if it was one."""

    def __init__(self, cause: Value = None) -> None:
        super().__init__()
        self.cause = cause


def stand_in(index: int) -> str:
    """The character that stands in texts for parameter number `index`.

    It is a lone surrogate, which no text file can hold, so nothing else is ever mistaken for it.
    """
    return chr(0xDC00 + index)


def is_stand_in(character: str) -> bool:
    """Whether a character is a stand-in, or would be one: any lone surrogate."""
    return "\ud800" <= character <= "\udfff"


def split_at_stand_ins(text: str) -> list[str]:
    """The texts between the stand-ins, and the stand-ins, in order; none is empty."""
    pieces = [""]
    for character in text:
        if is_stand_in(character):
            pieces += [character, ""]
        else:
            pieces[-1] += character
    return [piece for piece in pieces if piece]


def plus(left: Value, right: Value) -> Value:
    """`left + right`, of two texts or two lists."""
    if isinstance(left, str) and isinstance(right, str):
        return _join("", [left, right])
    if isinstance(left, list) and isinstance(right, list) and len(left) + len(right) <= LONGEST:
        return [*left, *right]
    raise NotToldError(left if isinstance(left, Unknown) else right)


def item(holder: Value, key: Value) -> Value:
    """`holder[key]`, which must be there."""
    try:
        if isinstance(holder, list) and isinstance(key, int):
            return holder[key]
        if isinstance(holder, dict) and isinstance(key, str):
            return holder[key]
    except LookupError:
        pass
    raise NotToldError(holder)


def truth(value: Value) -> bool:
    """`bool(value)`."""
    if isinstance(value, (Unknown, Picture)) or (isinstance(value, str) and _open(value)):
        raise NotToldError(value)
    return bool(value)


def compare(left: Value, sign: str, right: Value) -> bool:
    """`left sign right`, of two numbers, or of two texts without stand-ins."""
    if isinstance(left, int) and isinstance(right, int):
        signs = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}
        if sign in signs:
            return signs[sign]
    elif not isinstance(left, str) or not isinstance(right, str) or _open(left + right):
        raise NotToldError(left if isinstance(left, Unknown) else right)
    if sign in ("==", "!="):
        return (left == right) is (sign == "==")
    raise NotToldError


def call_method(text: str, name: str, given: Sequence[Value], named: Mapping[str, Value]) -> Value:
    """`text.name(*given, **named)`, of the methods that build or split texts."""
    if name == "format":
        return _format(text, given, named)
    if name == "join" and len(given) == 1 and isinstance(given[0], list):
        return _join(text, given[0])
    if name not in _METHODS or named or not all(isinstance(v, (str, int)) for v in given):
        raise NotToldError(next((v for v in given if isinstance(v, Unknown)), None))
    # `replace` alone makes texts longer, at worst by its second argument at every character.
    if name == "replace" and len(given) > 1 and len(text) * len(str(given[1])) > 100 * LONGEST:
        raise NotToldError
    try:
        made = _METHODS[name](text, *given)
    except (TypeError, ValueError):
        raise NotToldError from None
    return _join("", [made]) if isinstance(made, str) else list(_texts(made))


def call_function(name: str, given: Sequence[Value]) -> Value:
    """`name(*given)`, of the few functions that need no running."""
    match name, given:
        case "len", [list(values)]:
            return len(values)
        case "textwrap.dedent" | "dedent", [str(text)]:
            return textwrap.dedent(text)
    raise NotToldError


def _join(between: str, parts: Sequence[Value]) -> str:
    texts = list(_texts(parts))
    if sum(map(len, texts)) + len(between) * len(texts) > LONGEST:
        raise NotToldError
    return between.join(texts)


def _texts(parts: object) -> list[str]:
    texts: list[str] = []
    for part in parts if isinstance(parts, (list, tuple)) else ():
        if not isinstance(part, str):
            raise NotToldError(part)
        texts.append(part)
    return texts


def _format(text: str, given: Sequence[Value], named: Mapping[str, Value]) -> str:
    if _open(text):  # what a user types there would be read as a format
        raise NotToldError
    parts: list[Value] = []
    automatic = iter(given)
    try:
        for literal, field, spec, conversion in Formatter().parse(text):
            parts.append(literal)
            if field is None:
                continue
            if spec or conversion:
                raise NotToldError
            if field == "":
                parts.append(next(automatic))
            else:
                parts.append(given[int(field)] if field.isdigit() else named[field])
    except (ValueError, LookupError, StopIteration):
        raise NotToldError from None
    return _join("", parts)


def _open(text: str) -> bool:
    return any(map(is_stand_in, text))
