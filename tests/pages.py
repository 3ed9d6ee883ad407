"""The README and the pages of docs, and the programs in them: `python -m tests.pages FOLDER` writes
these to files, so that mypy and pyright can check them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

__all__ = ["PAGES", "ROOT", "blocks", "program_of"]

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, *languages: str) -> list[str]:
    """The code of a page in these languages, block by block."""
    return [code for language, code in FENCE.findall(page.read_text()) if language in languages]


def program_of(page: Path) -> str:
    """The Python blocks of a page, which are one program, read from top to bottom."""
    return "\n".join(blocks(page, "python"))


if __name__ == "__main__":
    for page in PAGES:
        if program := program_of(page):
            Path(sys.argv[1], f"page_{page.stem.lower()}.py").write_text(program)
