"""The commands, as on the command line."""

from __future__ import annotations

from tests.cli.conftest import commands

__all__ = ["commands"]
