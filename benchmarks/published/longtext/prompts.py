"""The user's copy of LongText-Bench: its prompts, and the question to its reader.

Prompts are lines of `text_prompts.jsonl`, or `text_prompts_zh.jsonl`; the question is in
`evaluate_text_reward.py`, which is parsed and never run.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from rr_refine.benchmarks.published.benchmark import Wording, official_wording
from rr_refine.benchmarks.published.files import parse_python, read_lines, require_file
from rr_refine.benchmarks.published.longtext.scoring import NOTHING, Language, units
from rr_refine.errors import ConfigError
from rr_refine.plain_text import quoted

__all__ = ["OURS", "LongTextPrompt", "find_prompts", "read_prompts", "read_wording"]

_FILES: Final[dict[Language, str]] = {"en": "text_prompts.jsonl", "zh": "text_prompts_zh.jsonl"}
_HINT: Final = "give the folder textbench of X-Omni's repository"

OURS: Final = Wording(
    "Write down all lettering that you can read in this picture, as it is spelled there, and "
    "nothing else. What you have written down already is not written again. Where there is no "
    f"lettering at all, answer: {NOTHING}"
)


class LongTextPrompt(BaseModel):
    """A line of the file of prompts."""

    model_config = ConfigDict(frozen=True)

    prompt_id: int = Field(ge=0)
    """Not the number of the line: there are gaps."""
    prompt: str
    text: list[str] = Field(min_length=1)
    """That must be readable."""
    category: str
    length: str


def find_prompts(data: Path, language: Language) -> Path:
    """The language's file: `data` itself, or in that folder.

    Raises:
        ConfigError: there is none, or it is of the other language.
    """
    file = require_file(data, _FILES[language], _HINT)
    if file.name in _FILES.values() and file.name != _FILES[language]:
        raise ConfigError(f"{str(file)!r} is not of the suite {language!r}: {_FILES[language]} is")
    return file


def read_prompts(file: Path, language: Language) -> dict[int, LongTextPrompt]:
    """All prompts, by id.

    Raises:
        ConfigError: the file cannot be read or is not of this form, or a text has nothing that the
            official script looks at, which would stop there.
    """
    rows: dict[int, LongTextPrompt] = {}
    for row, _ in read_lines(file, LongTextPrompt, "is not of the published form"):
        where = f"{str(file)!r}, prompt_id {row.prompt_id}"
        if row.prompt_id in rows:
            raise ConfigError(f"{where}: it occurs twice")
        if not units(" ".join(row.text), language):
            raise ConfigError(
                f"{where}: {quoted(row.text)} has no characters that the official script looks "
                "at, and it would stop there"
            )
        rows[row.prompt_id] = row
    if not rows:
        raise ConfigError(f"{str(file)!r} has no prompts")
    return rows


def read_wording(prompts: Path) -> Wording:
    """The official question.

    Args:
        prompts: `evaluate_text_reward.py`, or a folder that has it up to two levels deep.

    Raises:
        ConfigError: there is no such file, or it has not one such question.
    """
    file = require_file(prompts, "evaluate_text_reward.py", _HINT)
    tree, sha256 = parse_python(file)
    texts = {
        node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        if isinstance(node.value.value, str)
        if any(isinstance(t, ast.Attribute) and t.attr == "qwen_prompt" for t in node.targets)
    }
    return official_wording(file, sha256, texts, _HINT)
