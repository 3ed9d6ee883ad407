"""`rr-refine completion SHELL`: the script that completes commands and options."""

from __future__ import annotations

from typing import Literal

from rr_refine.cli.exits import DONE, guarded

__all__ = ["completion"]


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print a completion script; nothing is installed. See docs/terminal.md for where to put it.

    Args:
        shell: The shell that reads the script.
    """
    return guarded(lambda: _print(shell))


def _print(shell: Literal["bash", "zsh", "fish"]) -> int:
    from rr_refine.cli.main import app

    print(app.generate_completion(shell=shell))
    return DONE
