"""The user's copy of WISE (Verified): its prompts, and what the judge is asked about a picture.

Prompts are in three JSON files, or in `merge.json`; the official words are in `vllm_eval.py`, which
is parsed and never run.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from rr_refine.benchmarks.published.benchmark import Wording, official_wording
from rr_refine.benchmarks.published.files import (
    find_file,
    format_text,
    parse_python,
    read_json,
    require_file,
)
from rr_refine.benchmarks.published.wise.scoring import FILES, Suite, category_of, ids_of
from rr_refine.errors import ConfigError
from rr_refine.plain_format import has_fields

__all__ = ["OURS", "WisePrompt", "read_prompts", "read_wording"]

_FIELDS: Final = frozenset({"prompt", "explanation"})
_MERGED: Final = "merge.json"
_HINT: Final = "give the folder data_verified of WISE's repository"


class WisePrompt(BaseModel):
    """An object of the files."""

    model_config = ConfigDict(frozen=True, strict=True)

    prompt_id: int
    Prompt: str
    Explanation: str
    Subcategory: str


OURS: Final = Wording(
    system="You check pictures that a program made against what was asked for.",
    text="""\
A picture was asked for in these words, which take some knowledge to be understood:

{prompt}

What they mean, and what a right picture shows:

{explanation}

Is the picture right? It is if it shows what is meant, and not the words alone: the right things, \
in the right state, at the right place, as the knowledge behind the words has it; and if it is so \
well made that this can be told beyond doubt. Beauty and style do not count. In doubt it is wrong.

Answer with one line, `Score: 1` if it is right or `Score: 0` if it is not, and nothing else.""",
)
"""For `str.format`, with `prompt` and `explanation`."""


def read_prompts(data: Path, suite: Suite) -> tuple[dict[int, WisePrompt], dict[str, str]]:
    """The prompts of a suite by id, in their order, and the sha256 of the files by name.

    Args:
        data: the folder with the files, or one of them.

    Raises:
        ConfigError: a file is missing or not of the published form.
    """
    wanted = ids_of(suite)
    parts = [name for name, ids in FILES.items() if ids[0] in wanted]
    names = [f"{name}_verified.json" for name in parts]
    found = [data] if data.is_file() else [path for n in names if (path := find_file(data, [n]))]
    if len(found) < len(names) and not data.is_file():
        merged = find_file(data, [_MERGED])
        found = [merged] if merged else [require_file(data, name, _HINT) for name in names]
    rows: dict[int, WisePrompt] = {}
    files: dict[str, str] = {}
    for file in found:
        own, files[file.name] = read_json(file, list[WisePrompt])
        for row in own:
            where = f"{str(file)!r}, prompt_id {row.prompt_id}"
            if row.prompt_id in rows:
                raise ConfigError(f"{where}: it occurs twice")
            if category_of(row.prompt_id) is None:
                raise ConfigError(f"{where}: the official ids are 1 to 1000")
            if row.prompt_id in wanted:
                rows[row.prompt_id] = row
    if not rows:
        raise ConfigError(f"{str(found[0])!r} has no prompts of the suite {suite!r}")
    return dict(sorted(rows.items())), files


def read_wording(prompts: Path) -> Wording:
    """The official words.

    Args:
        prompts: `vllm_eval.py`, or a folder that has it up to two levels deep.

    Raises:
        ConfigError: there is no such file, or it lacks a text.
    """
    hint = "give vllm_eval.py of WISE's repository"
    file = require_file(prompts, "vllm_eval.py", hint)
    tree, sha256 = parse_python(file)
    systems, templates = set[str](), set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict) and _text_at(node, "role") == "system":
            systems |= {text for n in ast.walk(node) if (text := _text_at(n, "text")) is not None}
        text = format_text(node) or ""
        for field in ("Prompt", "Explanation"):
            text = text.replace(f"{{prompt_data['{field}']}}", f"{{{field.lower()}}}")
        if has_fields(text, _FIELDS):
            templates.add(text)
    system = official_wording(file, sha256, systems, hint).text
    return official_wording(file, sha256, templates, hint, system)


def _text_at(node: ast.AST, key: str) -> str | None:
    """What a dictionary in the file has under a key, where that is a plain text."""
    for name, value in (
        zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ()
    ):
        if isinstance(name, ast.Constant) and name.value == key and isinstance(value, ast.Constant):
            return value.value if isinstance(value.value, str) else None
    return None
