"""Text for a terminal: no control characters, no surprises in length."""

from __future__ import annotations

import unicodedata

__all__ = ["plain", "short"]


def plain(text: str) -> str:
    """`text` on one line, without terminal escapes, other control or direction characters."""
    kept = (" " if c in "\n\r\t" else c for c in text)
    visible = "".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
    return " ".join(visible.split())


def short(text: str, length: int = 160) -> str:
    """`plain(text)`, cut at `length` characters."""
    text = plain(text[: 20 * length])
    return text if len(text) <= length else f"{text[: length - 1]}…"
