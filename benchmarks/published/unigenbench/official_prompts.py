"""The official words of the judge's questions, out of the user's copy of `eval_common.py`.

The file is parsed, never run. What is looked for is known by what it holds, not by its name:

- the template: the text, or f-string, with the fields `{prompt}`, `{testpoint}`, `{explanation}`
  and `{test_explanation}`;
- the explanations: the dictionary of texts whose keys are testpoints;
- the headers: the dictionary with the keys `checkpoint_header` and `checkpoint_desc_header`.

Where there is one in each language, the one with Chinese characters is the Chinese one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from pathlib import Path

from rr_refine.benchmarks.published.files import format_text, parse_python
from rr_refine.benchmarks.published.unigenbench.taxonomy import Language
from rr_refine.benchmarks.published.unigenbench.wording import FIELDS, UniGenBenchWording
from rr_refine.errors import ConfigError
from rr_refine.plain_format import has_fields

__all__ = ["read_wording"]

_HEADERS = ("checkpoint_header", "checkpoint_desc_header")


def read_wording(
    file: Path, language: Language, labels: Collection[str]
) -> tuple[UniGenBenchWording, str]:
    """The official wording, and the sha256 of the file.

    Args:
        labels: the testpoints that explanations are needed for.

    Raises:
        ConfigError: the file cannot be read or lacks what is needed.
    """
    tree, sha256 = parse_python(file)
    nodes = list(ast.walk(tree))
    templates = {t: None for node in nodes if (t := _template(node)) and _language(t) == language}
    tables = [_texts(node) for node in nodes if isinstance(node, ast.Dict)]
    explanations = max(tables, key=lambda table: len(table.keys() & set(labels)), default={})
    headers = {
        (first, second): None
        for table in tables
        if (first := table.get(_HEADERS[0])) and (second := table.get(_HEADERS[1]))
        if _language(first + second) == language
    }
    for what, found in (
        (f"template with {', '.join(f'{{{f}}}' for f in sorted(FIELDS))}", len(templates)),
        ("dictionary of explanations", 1 if explanations.keys() & set(labels) else 0),
        (f"pair of {' and '.join(map(repr, _HEADERS))}", len(headers)),
    ):
        if found != 1:
            raise ConfigError(
                f"{str(file)!r} has {found or 'no'} {what} for {language!r}; one is needed: "
                "give eval/src/eval_common.py of UniGenBench's repository"
            )
    (template,), (header,) = templates, headers
    return UniGenBenchWording(template, explanations, header, f"official {sha256[:12]}"), sha256


def _template(node: ast.AST) -> str | None:
    """The node as a text for `str.format`, if it is such a template."""
    text = format_text(node)
    return text if text is not None and has_fields(text, FIELDS) else None


def _texts(node: ast.Dict) -> dict[str, str]:
    """The entries that are plain texts."""
    return {
        key.value: value.value
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
    }


def _language(text: str) -> Language:
    return "zh" if re.search("[\u4e00-\u9fff]", text) else "en"
