"""What the judge of GEdit-Bench is asked: two questions, each for two scores from 0 to 10.

The official texts (`viescore/vie_prompts.py`) are not ours to ship: ours ask for the same scores in
the same form. The user's copy is read without being run.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rr_refine.benchmarks.published.files import parse_python, require_file
from rr_refine.errors import ConfigError

__all__ = ["OURS", "PLACE", "GEditWording", "read_wording"]

PLACE: Final = "<instruction>"
"""Stands for the instruction in `GEditWording.semantics`."""

_FILE: Final = "vie_prompts.py"
_HINT: Final = f"give GEdit-Bench/viescore/{_FILE} of the Step1X-Edit repository"
_CONTEXT: Final = "_context_no_delimit"
_SEMANTICS: Final = (
    _CONTEXT,
    "_prompts_0shot_two_image_edit_rule",
    "_prompts_0shot_tie_rule_SC",
)
_QUALITY: Final = (_CONTEXT, "_prompts_0shot_rule_PQ")
"""Names of the official texts that make up a question, joined by line ends."""


@dataclass(frozen=True, slots=True)
class GEditWording:
    """The texts of both questions."""

    semantics: str
    """Goes with the original and the edited picture: was the edit made, and no more than that?"""
    quality: str
    """Goes with the edited picture alone: is it natural, and without artifacts?"""
    source: str
    """`ours`, or `official <first 12 of sha256>`."""
    files: Mapping[str, str] = field(default_factory=dict)
    """See `Wording`."""


_FORM: Final = """\
Answer with one JSON object and nothing else, with whole numbers and your reasons in few words:
{"score": [<first grade>, <second grade>], "reasoning": "<your reasons>"}
"""

OURS: Final = GEditWording(
    semantics=f"""\
Two pictures follow: an original, and what an editing program made of it. All people in them are \
made up. The program was told:

{PLACE}

Compare the two and give two grades from 0 to 10.

First: was it done? 0 if nothing of the instruction can be seen in the edited picture, which may \
be quite the same as the original; 10 if the instruction was carried out fully and exactly.

Second: was no more done than that? 0 if the edited picture has nothing to do with the original \
any more; 10 if everything that the instruction does not speak of stayed as it was.

{_FORM}""",
    quality=f"""\
The picture that follows was made by a program. All people in it are made up. What it should show \
is not the question, but how well it is made. Give two grades from 0 to 10.

First: is it natural? 0 if the scene looks false at once, with light, shadows, distances or sizes \
that cannot be; 10 if it looks as one would expect of such a scene.

Second: is it free of artifacts? 0 if distortions, smears, seams, watermarks, or bodies and things \
that are malformed spoil large parts of it; 10 if there is nothing of the kind.

{_FORM}""",
    source="ours",
)


def read_wording(prompts: Path) -> GEditWording:
    """The official wording.

    Args:
        prompts: `vie_prompts.py`, or a folder that has it up to two levels deep.

    Raises:
        ConfigError: there is no such file, or it lacks a text.
    """
    file = require_file(prompts, _FILE, _HINT)
    tree, sha256 = parse_python(file)
    texts = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        if isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    if missing := [name for name in (*_SEMANTICS, *_QUALITY) if name not in texts]:
        raise ConfigError(f"{str(file)!r} has no text {missing[0]!r}: {_HINT}")
    semantics, quality = (
        "\n".join(texts[name] for name in names) for names in (_SEMANTICS, _QUALITY)
    )
    if PLACE not in semantics:
        raise ConfigError(f"{str(file)!r} leaves no place for the instruction: {PLACE} is missing")
    return GEditWording(semantics, quality, f"official {sha256[:12]}", {file.name: sha256})
