"""Whether failed requests are retried: a check of what is reachable asks once, and soon ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["patience_within", "retries_allowed", "without_retries"]

_TOGETHER: Final = 20.0
"""Seconds that all answers within `without_retries` may take together."""
_EACH: Final = 5.0
"""Seconds that each of them may take in any case."""
_UNTIL: Final = ContextVar[float | None]("until", default=None)


@contextmanager
def without_retries(seconds: float = _TOGETHER) -> Iterator[None]:
    """Parts that are made and connected within ask other hosts once, and wait for seconds only.

    Args:
        seconds: that all answers together may take, but for a few seconds for each.
    """
    token = _UNTIL.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _UNTIL.reset(token)


def retries_allowed() -> bool:
    """Whether this is outside of `without_retries`."""
    return _UNTIL.get() is None


def patience_within(seconds: float) -> float:
    """How many of these seconds an answer may take here, from the question to its end."""
    until = _UNTIL.get()
    return seconds if until is None else min(seconds, max(_EACH, until - time.monotonic()))
