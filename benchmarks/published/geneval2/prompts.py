"""The user's copy of GenEval 2: its prompts with their questions, and how these are put.

Prompts are lines of `geneval2_data.jsonl`, whose licence is CC BY-NC 4.0; the words around a
question are in `evaluation.py`, which is parsed and never run.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rr_refine.benchmarks.published.benchmark import Wording, official_wording
from rr_refine.benchmarks.published.files import parse_python, read_lines, require_file
from rr_refine.benchmarks.published.geneval2.scoring import ATOMS
from rr_refine.errors import ConfigError
from rr_refine.plain_text import quoted

__all__ = ["DATA", "HINT", "OURS", "GenEval2Prompt", "read_prompts", "read_wording"]

DATA: Final = "geneval2_data.jsonl"
OURS: Final = Wording("{} Reply with one word, and nothing else.")
"""Around a question."""

HINT: Final = "give a copy of GenEval 2's repository"


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True)

    prompt: str
    atom_count: Annotated[int, Field(ge=ATOMS.start, lt=ATOMS.stop)]
    vqa_list: Annotated[list[tuple[str, str]], Field(min_length=1)]
    skills: list[Literal["object", "attribute", "count", "position", "verb"]]

    @model_validator(mode="after")
    def _check(self) -> _Line:
        if len(self.skills) != len(self.vqa_list):
            raise ValueError(f"{len(self.vqa_list)} questions, but {len(self.skills)} skills")
        return self


@dataclass(frozen=True, slots=True)
class GenEval2Prompt:
    """A line."""

    number: int
    """From 0."""
    prompt: str
    atoms: int
    questions: tuple[tuple[str, str], ...]
    """With their answers."""
    skills: tuple[str, ...]
    """One for each question."""
    line: bytes
    """As it is, without its end."""

    @property
    def id(self) -> str:
        """As its picture is called: `0042`."""
        return f"{self.number:04d}"


def read_prompts(file: Path) -> tuple[GenEval2Prompt, ...]:
    """All prompts.

    Raises:
        ConfigError: the file cannot be read or is not of this form, or a prompt occurs twice: the
            official script finds pictures by their prompts.
    """
    rows: dict[str, GenEval2Prompt] = {}
    for number, (row, line) in enumerate(read_lines(file, _Line, "is not of the published form")):
        if row.prompt in rows:
            raise ConfigError(
                f"line {number + 1} of {str(file)!r} has the same prompt as line "
                f"{rows[row.prompt].number + 1}: {quoted(row.prompt)}"
            )
        questions, skills = tuple(row.vqa_list), tuple(row.skills)
        rows[row.prompt] = GenEval2Prompt(
            number, row.prompt, row.atom_count, questions, skills, line
        )
    if not rows:
        raise ConfigError(f"{str(file)!r} has no prompts")
    return tuple(rows.values())


def read_wording(prompts: Path) -> Wording:
    """The official words around a question, with `{}` for it.

    Args:
        prompts: `evaluation.py`, or a folder that has it up to two levels deep.

    Raises:
        ConfigError: there is no such file, or it has not one such text.
    """
    file = require_file(prompts, "evaluation.py", HINT)
    tree, sha256 = parse_python(file)
    texts = {text for node in ast.walk(tree) if (text := _words(node)) is not None}
    return official_wording(file, sha256, texts, HINT)


def _words(node: ast.AST) -> str | None:
    """The text of `'{} …'.format(question)`."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format"),
            args=[ast.Name(id="question")],
        ) if text.count("{}") == 1:
            return text
    return None
