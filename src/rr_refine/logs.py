"""Log lines that may be kept: for programs that log what we and others say."""

from __future__ import annotations

import logging

from rr_refine.redaction import clean

__all__ = ["WithoutKeys"]


class WithoutKeys(logging.Formatter):
    """Hides the secrets that stand in a line or its traceback by name, in URLs, headers and
    assignments, and the keys that are in use.

    Args:
        form: of a line, see `logging.Formatter`.
        traces: False leaves tracebacks out, since messages in them may repeat prompts.
    """

    def __init__(self, form: str | None = None, *, traces: bool = True) -> None:
        super().__init__(form)
        self._traces = traces

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if not self._traces:
            record = logging.makeLogRecord({**record.__dict__, "exc_info": None, "exc_text": None})
        return clean(super().format(record))
