"""What stands between tags in the answer of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["between_tags"]


def between_tags(text: str, tag: str, *, any_case: bool = False) -> Iterator[str]:
    """What `<tag>(.*?)</tag>` finds across lines, in order, in time in proportion to the text:
    that pattern itself takes the square of it where a tag is repeated and not closed.
    """
    begin: int | None = None
    for mark in re.finditer(rf"<(/?){re.escape(tag)}>", text, re.IGNORECASE if any_case else 0):
        if not mark[1]:
            begin = mark.end() if begin is None else begin
        elif begin is not None:
            yield text[begin : mark.start()]
            begin = None
