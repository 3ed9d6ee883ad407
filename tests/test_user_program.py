"""`tests/user_program.py` uses every public name, and runs."""

from __future__ import annotations

import ast
import re
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


def test_help_begins_with_a_table_of_contents() -> None:
    """Every name stands in the module's own words, in the part above the list of its contents."""
    text = rr_refine.__doc__ or ""
    contents = text[text.index("What is here") : text.index("Importing this package")]
    assert set(rr_refine.__all__) - set(re.findall(r"\w+", contents)) - ERRORS == set()
