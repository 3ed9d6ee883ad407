"""Text for a page: what cannot be seen, or would turn the text around, is shown as what it is."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup

__all__ = ["cut", "visible"]

# Control characters but tab and line feed, direction overrides and isolates, half characters.
# Joiners and direction marks stay: emoji and right-to-left writing need them.
_HIDDEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(value: object) -> object:
    """`value` for a template: hidden characters of a text become symbols, all else stays."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _HIDDEN.sub(lambda m: _name(ord(m.group())), value.replace("\r\n", "\n"))


def cut(text: str, length: int) -> str:
    """At most `length` characters of `text`."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _name(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)  # Unicode has pictures of them: ␛
    return "␡" if code == 0x7F else f"[U+{code:04X}]"
