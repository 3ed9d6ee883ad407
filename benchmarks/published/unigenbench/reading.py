"""What the official scripts of UniGenBench make of a judge's answer, quirks included.

An answer is read with `ast.literal_eval`, stored as JSON, and read again for scoring with
`ast.literal_eval`, which knows no `true`, `false` or `null`. So an answer may be good enough for
the judging script, which does not ask again, and yet be dropped when scores are summed.
"""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Collection

from rr_refine.boundary import raised_as
from rr_refine.plain_text import quoted
from rr_refine.tags import between_tags

__all__ = ["literal", "official_parse", "parse", "to_json"]


def official_parse(text: str, count: int) -> dict[str, Collection[object]] | None:
    """The official reading of one answer: `{"analysis": …, "score": …}`, or None.

    First `<analysis>` and first `<score>`, each a Python literal with `count` entries. What the
    entries are is not looked at: `['1', '0']` and `[True, 0.5]` pass, a tuple is as good as a
    list, a text of `count` characters as good as an analysis. None also where the official script
    dies: `<score>1</score>`, or a set, which cannot be stored.

    Args:
        count: of testpoints.
    """
    try:
        return parse(text, count)
    except ValueError:
        return None


def parse(text: str, count: int) -> dict[str, Collection[object]]:
    """As `official_parse`.

    Raises:
        ValueError: there is no reading; the message says why.
    """
    reading: dict[str, Collection[object]] = {}
    for tag in ("analysis", "score"):
        found = next(between_tags(text, tag), None)
        if found is None:
            raise ValueError(f"there is no <{tag}>…</{tag}>")
        with raised_as(ValueError, f"<{tag}> holds no Python literal", ValueError):
            value = literal(found.strip())
        if not isinstance(value, Collection):
            raise ValueError(f"<{tag}> holds no list: {quoted(value)}")
        if len(value) != count:
            raise ValueError(f"<{tag}> has {len(value)} entries, not {count}")
        reading[tag] = value
    with raised_as(ValueError, "it cannot be stored as JSON", TypeError, ValueError):
        to_json(reading)
    return reading


def to_json(reading: dict[str, Collection[object]]) -> str:
    """A reading as the official `result_json`."""
    return json.dumps(reading, ensure_ascii=False)


def literal(text: str) -> object:
    """A Python literal.

    Raises:
        ValueError: it is none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as for `"\d"`, which is read nevertheless
            return ast.literal_eval(text)
    except SyntaxError as error:
        raise ValueError(error.msg) from error
    except (TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
