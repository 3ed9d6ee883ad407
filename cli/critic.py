"""`rr-refine critic import-template FILE`: the official messages, from the user's own copy."""

from __future__ import annotations

from pathlib import Path

from rr_refine.cli.text import say, tell
from rr_refine.cli.trust import own_folder
from rr_refine.reward import template_import

__all__ = ["import_template"]


def import_template(file: Path, /, *, store: Path | None = None) -> None:
    """Take the critic's exact messages from a README or model card, and keep them by hash.

    The code in the file is read, never run.

    Args:
        file: README.md or model card with the Python functions that build the messages.
        store: Folder for imported templates; ~/.rr-refine/templates by default.
    """
    folder = store or own_folder() / "templates"
    template = template_import.import_template(file, folder)
    path = folder / f"{template.digest}.json"
    tell(f"imported {', '.join(template.rubrics)} as {template.digest[:12]}")
    tell(f"use it with: --set critic.template={path}")
    say(path)
