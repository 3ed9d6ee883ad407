"""What stands between tags in the answer of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["between_tags", "without_tags"]


def between_tags(text: str, tag: str, *, any_case: bool = False) -> Iterator[str]:
    """What `<tag>(.*?)</tag>` finds across lines, in order, in time in proportion to the text:
    that pattern itself takes the square of it where a tag is repeated and not closed.
    """
    for start, end in _spans(text, tag, any_case=any_case):
        yield text[start + len(tag) + 2 : end - len(tag) - 3]


def without_tags(text: str, tag: str) -> Iterator[str]:
    """The pieces of a text before, between and behind what that pattern finds: one at least."""
    at = 0
    for start, end in _spans(text, tag):
        yield text[at:start]
        at = end
    yield text[at:]


def _spans(text: str, tag: str, *, any_case: bool = False) -> Iterator[tuple[int, int]]:
    begin: int | None = None
    for mark in re.finditer(rf"<(/?){re.escape(tag)}>", text, re.IGNORECASE if any_case else 0):
        if not mark[1]:
            begin = mark.start() if begin is None else begin
        elif begin is not None:
            yield begin, mark.end()
            begin = None
