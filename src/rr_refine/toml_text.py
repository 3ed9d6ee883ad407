"""TOML and JSON of settings and recipes, which somebody else may have written."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

__all__ = ["MAX_SETTINGS", "parse_toml", "require_plain"]

MAX_SETTINGS: Final = 1_000_000
"""Most bytes of a file of settings, or of a recipe."""
_PART: Final = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_DEEP: Final = re.compile(rf"(?<![\w.-]){_PART}(?:[ \t]*\.[ \t]*{_PART}){{64}}")
_BITS: Final = 1000
"""Of a whole number: a float can hold it, and it can be written out."""


def parse_toml(data: bytes) -> dict[str, JsonValue]:
    """The table of a TOML text.

    Raises:
        ValueError: it is no TOML, nested too deeply, or has values that no setting has.
    """
    text = data.decode()
    if _DEEP.search(text):  # the reader's memory grows with the square of a key's length
        raise ValueError("TOML that is nested too deeply: a key of more than 64 parts")
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise ValueError("TOML that is nested too deeply") from None
    require_plain(table)
    return table


def require_plain(table: Mapping[str, object]) -> None:
    """Refuse what JSON has no word for, and whole numbers that cannot be written out.

    Raises:
        ValueError: there is such a value; says which.
    """
    for key, value in _leaves(table, ""):
        if isinstance(value, int):
            if value.bit_length() > _BITS:
                raise ValueError(f"{key:.100} is a number of more than 300 digits")
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError(f"{key:.100} = {value} is no number that can be used")
        elif isinstance(value, str):
            if "\0" in value:
                raise ValueError(f"{key:.100} = {value!r:.100} holds a NUL character")
        elif value is not None:
            kind = type(value).__name__
            raise ValueError(f"{key:.100} = {value} is a {kind}: put it in quotes to make it text")


def _leaves(value: object, key: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _leaves(one, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _leaves(one, f"{key}[{index}]")
    else:
        yield key, value
