"""What changed between two prompts, word by word."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final, Literal

from rr_refine.cli.text import plain

__all__ = ["Change", "changes", "marked"]

Change = tuple[Literal["same", "gone", "new"], str]

_WORDS: Final = 400  # per prompt: matching is quadratic, and nobody reads more in a terminal
_AROUND: Final = 6  # words of an unchanged stretch that stay on each side of a change


def changes(old: str, new: str) -> list[Change]:
    """The way from `old` to `new`, in order; long stretches that stayed are shortened.

    Words hold no control characters, see `plain`.
    """
    before, after = _words(old), _words(new)
    found: list[Change] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for _, at, end, start, stop in matcher.get_opcodes():
        if before[at:end] == after[start:stop]:
            found.append(("same", " ".join(_shortened(before[at:end]))))
            continue
        if end > at:
            found.append(("gone", " ".join(before[at:end])))
        if stop > start:
            found.append(("new", " ".join(after[start:stop])))
    return found


def marked(old: str, new: str) -> str:
    """The changes without colour: `a [-red-] {+blue+} cat`."""
    return " ".join(_marks(changes(old, new)))


def _marks(found: list[Change]) -> Iterator[str]:
    for kind, text in found:
        yield {"same": text, "gone": f"[-{text}-]", "new": f"{{+{text}+}}"}[kind]


def _words(text: str) -> list[str]:
    words = plain(text[: 40 * _WORDS]).split()
    return words if len(words) <= _WORDS else [*words[:_WORDS], "…"]


def _shortened(words: list[str]) -> list[str]:
    if len(words) <= 2 * _AROUND + 4:
        return words
    return [*words[:_AROUND], "…", *words[-_AROUND:]]
