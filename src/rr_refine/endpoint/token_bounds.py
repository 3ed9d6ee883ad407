"""How many tokens texts and pictures can have, whatever a server tells.

A tokenizer is not needed for it: the bounds hold for every one that is known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rr_refine.endpoint.chat import Message

__all__ = ["FEWEST_OF_A_PICTURE", "fewest_of", "fewest_tokens", "most_tokens", "possible"]

_PICTURE: Final = 4096
"""Tokens that a small picture can have: servers scale it up and cut it into tiles."""

_LONGEST: Final = 32
"""Most bytes of text to a token, repetitions taken as one. Of the 493,000 tokens of cl100k, o200k,
DeepSeek's and an older Claude's tokenizer 118 are longer, by up to twice (one is 104), and no text
is made of them alone: real ones have 3 to 8 bytes to a token."""

_REPEATED: Final = re.compile(r"(.{1,4}?)\1+", re.DOTALL)
"""A run of spaces, dashes or the like, which may be one token of a thousand bytes."""

FEWEST_OF_A_PICTURE: Final = 32
"""Fewest tokens of a picture that is made: what the tightest tokenizer of pictures has (TiTok,
arXiv 2406.07550). Services count hundreds."""


def most_tokens(messages: Sequence[Message]) -> int:
    """The most tokens that a question can have: none has less than a byte, and no tokenizer of
    pictures takes patches of less than 14 x 14 pixels.
    """
    most = 0
    for message in messages:
        most += 64  # what a chat template puts around it
        for part in message.content:
            if isinstance(part, str):
                most += len(part.encode(errors="replace"))
            else:
                most += max(_PICTURE, part.width * part.height // 14**2)
    return most


def fewest_tokens(messages: Sequence[Message]) -> int:
    """The fewest tokens that a question can have. Its pictures count as none: every model scales
    them its own way.
    """
    return sum(fewest_of(message.text) for message in messages)


def fewest_of(text: str) -> int:
    """The fewest tokens that a text can have."""
    if not text:
        return 0
    return max(1, len(_REPEATED.sub(r"\1", text).encode(errors="replace")) // _LONGEST)


def possible(told: int | None, fewest: int) -> int | None:
    """What a server tells; None, which is unknown, where it cannot be true."""
    return None if told is None or told < fewest else told
