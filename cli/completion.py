"""`rr-refine completion SHELL`: the script that completes commands and options."""

from __future__ import annotations

from typing import Literal

__all__ = ["completion"]


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print a completion script; nothing is installed. See docs/terminal.md for where to put it.

    Args:
        shell: The shell that reads the script.
    """
    from rr_refine.cli.main import app  # which imports this module's command by name

    print(app.generate_completion(shell=shell))
