"""Whether failed requests are retried: a check of what is reachable asks only once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["retries_allowed", "without_retries"]

_ALLOWED: Final = ContextVar("allowed", default=True)


@contextmanager
def without_retries() -> Iterator[None]:
    """Parts that are made and connected within ask other hosts once, and wait for seconds only."""
    token = _ALLOWED.set(False)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def retries_allowed() -> bool:
    """Whether this is outside of `without_retries`."""
    return _ALLOWED.get()
