"""How a judge is told to answer: in our words, or in those of the user's copy of the scripts."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from rr_refine.benchmarks.published.benchmark import Wording, official_wording
from rr_refine.benchmarks.published.files import parse_python
from rr_refine.errors import ConfigError

__all__ = ["OURS", "read_wording"]

OURS: Final = Wording(
    "\n\nReply with one JSON object of this form and with nothing else around it:\n"
    '{"answer": "Yes" or "No", "explanation": "in one sentence, what you go by"}'
)
"""Follows the question of the data set, as the official instruction does."""

_SCRIPTS: Final = ("PicaEval_gpt.py", "PicaEval_qwen.py")
"""The same words are in both."""

_NAME: Final = "json_instruction"


def read_wording(prompts: Path) -> Wording:
    """What the official script adds to a question.

    Args:
        prompts: one of the scripts, or the folder with them.

    Raises:
        ConfigError: there is none, or it has no such text.
    """
    paths = (prompts, *(prompts / name for name in _SCRIPTS))
    script = next((path for path in paths if path.is_file()), None)
    if script is None:
        names = ", ".join(_SCRIPTS)
        raise ConfigError(f"{str(prompts)!r} is neither one of {names} nor holds one")
    tree, sha256 = parse_python(script)
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                if name == _NAME:
                    return official_wording(script, sha256, [text], "")
    raise ConfigError(f"{str(script)!r} has no text called {_NAME!r}: is it {_SCRIPTS[0]}?")
