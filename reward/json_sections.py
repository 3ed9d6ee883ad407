"""Sections of a critic's answer in JSON: the same entries as a text has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, TypeAlias, get_args

from rr_refine.reward.headings import Field, Part, label_of
from rr_refine.reward.sections import Entry
from rr_refine.reward.values import CutError
from rr_refine.terms import Dimension

__all__ = ["read_json"]

_Node: TypeAlias = "str | bool | list[_Node] | _Object | None"


class _Object(tuple[tuple[str, "_Node"], ...]):
    """The pairs of an object as written: a key that stands twice is kept twice."""

    __slots__ = ()


# Numbers stay text: what was written is what the score reader judges, `NaN` and `1e999` included.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Object,
    parse_float=str,
    parse_int=str,
    parse_constant=str,
    strict=False,
)
_MAX_DEPTH: Final = 8


def read_json(text: str) -> tuple[list[Entry], str]:
    """The entries of the JSON document that `text` begins with, and the text behind it.

    Dimensions, fields and parts are known by their keys, spelled as in a text answer, with `_` or
    in camel case, at any place. These say the same: `{"scores": {"text_faithfulness": 3.5}}`,
    `{"Text Faithfulness": {"score": 3.5}}`, `[{"dimension": "Text Faithfulness", "score": 3.5}]`.

    Raises:
        CutError: the text ends inside the document.
        ValueError: it is no JSON, or nested deeper than an answer can be.
    """
    try:
        document, end = _DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            raise CutError("its JSON document is never closed") from error
        raise ValueError(f"it begins like JSON but is none: {error}") from error
    except RecursionError as error:
        raise ValueError("its JSON document is nested too deeply") from error
    return list(_walk(document, None, None, _MAX_DEPTH)), text[end:]


def _walk(
    node: _Node, dimension: Dimension | None, label: Field | Part | None, depth: int
) -> Iterator[Entry]:
    """The entries below `node`, which stands under `dimension` and `label`."""
    if depth == 0:
        raise ValueError(f"its JSON document is nested deeper than {_MAX_DEPTH} levels")
    if isinstance(node, _Object):
        for key, value in node:
            named, field = label_of(key)
            under = field or label
            if named and under not in get_args(Field) and not isinstance(value, _Object | list):
                under = "score"  # {"text_faithfulness": 3.5}
            yield from _walk(value, named or dimension, under, depth - 1)
    elif isinstance(node, list):
        for item in node:
            yield from _walk(item, _dimension_in(item) or dimension, label, depth - 1)
    elif label is not None:
        text = node if isinstance(node, str) else "" if node is None else str(node)
        text.encode()  # an escaped half of a surrogate pair is no text: UnicodeEncodeError
        yield Entry(label, dimension, f"{text}\n")


def _dimension_in(node: _Node) -> Dimension | None:
    """The dimension that an object of a list names in one of its values."""
    if not isinstance(node, _Object):
        return None
    named = (label_of(value)[0] for _, value in node if isinstance(value, str))
    return next((dimension for dimension in named if dimension), None)
