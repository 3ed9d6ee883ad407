"""`tests/user_program.py` uses every public name, and runs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import rr_refine
from tests import user_program
from tests.commands import Commands

ERRORS = {"ConfigError", "CriticError", "GeneratorError", "RewriteError", "StoreError"}
PROGRAM = Path(user_program.__file__)


def test_it_uses_every_public_name() -> None:
    tree = ast.parse(PROGRAM.read_text())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(rr_refine.__all__) - used == set()


def test_it_runs(commands: Commands) -> None:
    ended = commands.run(script=PROGRAM)
    assert ended.code == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("Critic")


def test_help_is_a_table_of_contents() -> None:
    """It names everything, on a few screens, and loads nothing for that."""
    program = (
        "import sys, pydoc, rr_refine; assert dir(rr_refine) == sorted(rr_refine.__all__);"
        "print(pydoc.render_doc(rr_refine, renderer=pydoc.plaintext));"
        "assert 'langgraph' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert len(text.splitlines()) < 200
    contents = text[text.index("What is here") : text.index("Importing this package")]
    assert set(rr_refine.__all__) - set(re.findall(r"\w+", contents)) - ERRORS == set()
