"""Log lines that may be kept: for programs that log what we and others say."""

from __future__ import annotations

import logging

from rr_refine.redaction import clean

__all__ = ["WithoutKeys"]


class WithoutKeys(logging.Formatter):
    """Hides the secrets that stand in a line or its traceback by name: in URLs, headers and
    assignments. Its arguments are those of `logging.Formatter`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return clean(super().format(record))
