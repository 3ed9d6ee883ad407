"""Write docs/cli.md from the help texts, or check that it is current.

python docs/write_cli.py [--check]
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

from cyclopts import App
from rich.console import Console

from rr_refine.cli.main import app

PAGE = Path(__file__).with_name("cli.md")


def commands(app: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command, each in front of its own ones; options such as --help are none."""
    yield path
    for name in app:
        # A sweep over any other benchmark takes what that benchmark takes.
        if not name.startswith("-") and (path != ("bench", "sweep") or name == "sketch"):
            yield from commands(app[name], (*path, name))


def help_of(command: tuple[str, ...]) -> str:
    """The help text as it is on a terminal of 100 columns without colour."""
    out = io.StringIO()
    console = Console(file=out, width=100, no_color=True, color_system=None, force_terminal=False)
    with redirect_stdout(out):
        app.help_print(list(command), console=console)
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def page() -> str:
    """The whole page."""
    parts = ["# Commands", "", "Written by `python docs/write_cli.py` from the help texts."]
    for command in commands(app):
        parts += ["", f"## {' '.join(('rr-refine', *command))}", "", "```text", help_of(command)]
        parts += ["```"]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        if PAGE.read_text("utf-8") != page():
            sys.exit("docs/cli.md is not current: run python docs/write_cli.py")
    else:
        PAGE.write_text(page(), "utf-8")
