"""Python code that somebody else wrote: it is parsed, and never run."""

from __future__ import annotations

import ast
import warnings

__all__ = ["parse_source"]


def parse_source(source: str | bytes) -> ast.Module:
    """What it says.

    Raises:
        SyntaxError: it is no Python, or nested too deeply to be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as for `"\d"`: no concern of ours
            return ast.parse(source)
    except ValueError as error:
        raise SyntaxError(str(error)) from None
    except (MemoryError, RecursionError):
        raise SyntaxError("it is nested too deeply") from None
