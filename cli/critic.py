"""`rr-refine critic import-template FILE`: the official messages, from the user's own copy."""

from __future__ import annotations

import sys
from pathlib import Path

from rr_refine.cli.exits import DONE, guarded

__all__ = ["import_template"]


def import_template(file: Path, /, *, store: Path | None = None) -> int:
    """Take the critic's exact messages out of a README or model card, and keep them by hash.

    The code in the file is read, never run.

    Args:
        file: README.md or model card with the Python functions that build the messages.
        store: Folder for imported templates; ~/.rr-refine/templates by default.
    """

    def command() -> int:
        from rr_refine.reward.template_import import import_template as take

        folder = store or Path.home() / ".rr-refine" / "templates"
        template = take(file, folder)
        path = folder / f"{template.digest}.json"
        rubrics = ", ".join(template.rubrics)
        print(f"imported {rubrics} as {template.digest[:12]}", file=sys.stderr)
        print(f"use it with: --set critic.template={path}", file=sys.stderr)
        print(path)
        return DONE

    return guarded(command)
