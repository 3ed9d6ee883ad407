"""The boundary to code that is not ours: what it raises becomes one of our errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rr_refine.errors import RefineError

__all__ = ["boundary"]


@contextmanager
def boundary(
    error: type[RefineError], what: str, *, timeout: type[RefineError] | None = None
) -> Iterator[None]:
    """Turn any exception raised inside into `error`; ours, and cancellation, pass unchanged.

    Args:
        what: who was called, for the message.
        timeout: the type for a TimeoutError; `error` if None.
    """
    try:
        yield
    except RefineError:
        raise
    except TimeoutError as cause:
        raise (timeout or error)(
            f"{what} took too long{f': {cause}' if str(cause) else ''}"
        ) from cause
    except Exception as cause:
        raise error(f"{what} raised {type(cause).__name__}: {cause}") from cause
