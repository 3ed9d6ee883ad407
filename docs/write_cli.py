"""Write docs/cli.md from the help texts, or check that it is current.

python docs/write_cli.py [--check]
"""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from pathlib import Path

from rich.console import Console

from rr_refine.cli.main import app

COMMANDS = (
    (),
    ("resume",),
    ("more",),
    ("replay",),
    ("report",),
    ("export",),
    ("studio",),
    ("mcp",),
    ("serve",),
    ("bench",),
    ("bench", "sketch"),
    ("bench", "unigenbench"),
    ("bench", "imgedit"),
    ("bench", "gedit"),
    ("bench", "picabench"),
    ("bench", "geneval"),
    ("bench", "geneval2"),
    ("bench", "longtext"),
    ("bench", "wise"),
    ("bench", "sweep"),
    ("bench", "sweep", "sketch"),
    ("bench", "score"),
    ("bench", "preflight"),
    ("bench", "report"),
    ("bench", "judge"),
    ("bench", "compare"),
    ("bench", "list"),
    ("bench", "preference"),
    ("critic", "import-template"),
    ("parrot", "ingest"),
    ("parrot", "run"),
    ("parrot", "export"),
    ("train", "nft"),
    ("doctor",),
    ("config", "show"),
    ("completion",),
)
PAGE = Path(__file__).with_name("cli.md")


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
    for command in COMMANDS:
        parts += ["", f"## {' '.join(('rr-refine', *command))}", "", "```text", help_of(command)]
        parts += ["```"]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        if PAGE.read_text("utf-8") != page():
            sys.exit("docs/cli.md is not current: run python docs/write_cli.py")
    else:
        PAGE.write_text(page(), "utf-8")
