"""How a judge is told to answer: in our words, or in those of the user's copy of the scripts."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from rr_refine.benchmarks.published.files import parse_python
from rr_refine.errors import ConfigError

__all__ = ["OURS", "SCRIPTS", "find_script", "read_instruction"]

OURS: Final = (
    "\n\nReply with one JSON object of this form and with nothing else around it:\n"
    '{"answer": "Yes" or "No", "explanation": "in one sentence, what you go by"}'
)
"""Follows the question of the data set, as the official instruction does."""

SCRIPTS: Final = ("PicaEval_gpt.py", "PicaEval_qwen.py")
"""The same words are in both."""

_NAME: Final = "json_instruction"


def find_script(prompts: Path) -> Path:
    """The official script: `prompts` itself, or in that folder.

    Raises:
        ConfigError: there is none.
    """
    for path in (prompts, *(prompts / name for name in SCRIPTS)):
        if path.is_file():
            return path
    raise ConfigError(f"{str(prompts)!r} is neither one of {', '.join(SCRIPTS)} nor holds one")


def read_instruction(script: Path) -> tuple[str, str]:
    """What the official script adds to a question, and the sha256 of the script.

    Raises:
        ConfigError: it cannot be read, or has no such text.
    """
    tree, sha256 = parse_python(script)
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                if name == _NAME:
                    return text, sha256
    raise ConfigError(f"{str(script)!r} has no text called {_NAME!r}: is it {SCRIPTS[0]}?")
