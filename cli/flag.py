"""A switch of the command line: there or not, without a `--no-` twin."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

__all__ = ["Flag"]

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
