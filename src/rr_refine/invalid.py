"""What does not fit a model, in words: pydantic's own text is for programmers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["told_invalid"]

_SHOWN: Final = 80
"""Characters of a value that a message repeats."""
_SENTENCES: Final = {
    "missing": "{where} is missing",
    "extra_forbidden": "there is no field {where}",
    "union_tag_not_found": "{discriminator} is missing",
    "union_tag_invalid": "{discriminator} = {tag!r} is none of {expected_tags}",
    "string_type": "{given} is no text",
    "string_unicode": "{where} is no text",
    "string_too_short": "{where} is empty",
    "string_too_long": "{where} has {length:,} characters; {max_length:,} are the most",
    "too_short": "{where} has {actual_length} entries; {min_length} are the fewest",
    "too_long": "{where} has more than {max_length} entries",
    "base64_decode": "{where} is no base64",
    "greater_than": "{given}: it must be above {gt}",
    "greater_than_equal": "{given}: it must be {ge} or more",
    "less_than": "{given}: it must be below {lt}",
    "less_than_equal": "{given}: {le} is the most",
    "finite_number": "{given} is no number",
    "literal_error": "{given} is none of {expected}",
    "enum": "{given} is none of {expected}",
    "json_invalid": "it is no JSON",
}
_KINDS: Final = {
    "bool": "neither true nor false",
    "int": "no whole number",
    "float": "no number",
    "tuple": "no list",
    "list": "no list",
    "dict": "no table of fields",
    "model": "no table of fields",
    "bytes": "no text",
}


def told_invalid(error: ValidationError, whole: str = "it") -> str:
    """The first thing that is wrong, in one clause without a full stop.

    Args:
        whole: what a value is called that is wrong as a whole: `the form`.

    A value that is repeated is cut, so that the clause stays one.
    """
    first = error.errors(include_url=False)[0]
    return _sentence(first, whole)


def _sentence(error: ErrorDetails, whole: str) -> str:
    kind, given = error["type"], error["input"]
    # What stands in brackets is a branch of pydantic's, and nobody wrote it.
    where = ".".join(str(key) for key in error["loc"] if "[" not in str(key)) or whole
    words = {
        **error.get("ctx", {}),
        "where": where,
        "given": where if isinstance(given, dict | list) else f"{where} = {_cut(given)}",
        "length": len(given) if isinstance(given, str) else 0,
    }
    words["discriminator"] = str(words.get("discriminator", "")).strip("'")
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(**words)
    if (base := kind.partition("_")[0]) in _KINDS:
        return f"{words['given']} is {_KINDS[base]}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if error["loc"] else message


def _cut(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
