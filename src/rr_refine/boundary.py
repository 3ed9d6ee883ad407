"""The boundary to code that is not ours: what it raises becomes one of our errors.

What was raised is the cause of ours, and its traceback goes to the logger `rr_refine`, which is
quiet unless the program that we are part of listens.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rr_refine.errors import GeneratorError, OutOfMemoryError, RefineError
from rr_refine.notices import shortened
from rr_refine.redaction import clean

__all__ = ["boundary", "is_out_of_memory", "raised_as", "trace_of", "without_panics"]

_TRACE: Final = 20_000
"""Characters of a traceback that are kept, from both of its ends."""
_OUT_OF_MEMORY: Final = (
    "out of memory",  # CUDA, MPS, HIP
    "not enough memory",  # CPU allocator on Windows
    "can't allocate memory",  # CPU allocator elsewhere
    "alloc_failed",  # cuBLAS, cuDNN
)
_LOG: Final = logging.getLogger("rr_refine")
_LOG.addHandler(logging.NullHandler())


@contextmanager
def without_panics() -> Iterator[None]:
    """Make an exception of what a library in Rust raises that broke down, such as a tokenizer over
    a damaged file: it is none, as if somebody had pressed Ctrl-C.

    Raises:
        RuntimeError: one did.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError(f"a library broke down: {error}") from error


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
        with without_panics():
            yield
    except RefineError:
        raise
    except TimeoutError as cause:
        raise (timeout or error)(
            f"{what} took too long{f': {cause}' if str(cause) else ''}"
        ) from cause
    except Exception as cause:
        full = is_out_of_memory(cause) and issubclass(error, GeneratorError)
        raised = (OutOfMemoryError if full else error)(
            f"{what} raised {type(cause).__name__}: {cause}"
        )
        raised.__cause__ = cause
        _LOG.warning("%s raised:\n%s", what, trace_of(raised))
        raise raised from cause


@contextmanager
def raised_as(kind: type[Exception], what: str, *faults: type[Exception]) -> Iterator[None]:
    """Turn faults that are to be expected into `kind`, which says `what`, and of what they speak.
    All others pass unchanged: see `boundary`.

    Args:
        what: what went wrong, such as `'notes.txt' cannot be read`.
        faults: OSError if there are none.
    """
    expected = faults or (OSError,)
    try:
        yield
    except expected as error:
        raise kind(f"{what}: {error}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that a device, or main memory, is full: torch's, or Python's own."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        type(error).__name__ == "OutOfMemoryError"
        or any(phrase in text for phrase in _OUT_OF_MEMORY)
    )


def trace_of(error: RefineError) -> str | None:
    """The traceback of what foreign code raised, without secrets; None where there is none.

    Frames and messages, no values of variables.
    """
    cause = error.__cause__
    if cause is None or isinstance(cause, RefineError):
        return None
    return shortened(clean("".join(traceback.format_exception(cause))), _TRACE)
