"""A small file of the form in which GenEval 2 is published, in words of our own."""

from __future__ import annotations

import json
from pathlib import Path

PROMPTS: list[dict[str, object]] = [
    {
        "prompt": "three blue kettles",
        "atom_count": 3,
        "vqa_list": [
            ["How many kettles are in the image?", "three"],
            ["Are the kettles blue?", "Yes"],
            ["Are there any kettles in the image?", "Yes"],
        ],
        "skills": ["count", "attribute", "object"],
    },
    {
        "prompt": "two owls under a ladder, one of them sleeping",
        "atom_count": 4,
        "vqa_list": [
            ["How many owls are in the image?", "two"],
            ["Are there any owls in the image?", "Yes"],
            ["Are the owls under the ladder?", "Yes"],
            ["Is an owl sleeping?", "Yes"],
        ],
        "skills": ["count", "object", "position", "verb"],
    },
    {
        "prompt": "six metal spoons",
        "atom_count": 3,
        "vqa_list": [
            ["How many spoons are in the image?", "six"],
            ["Are the spoons metal?", "Yes"],
            ["Are there any spoons in the image?", "Yes"],
        ],
        "skills": ["count", "attribute", "object"],
    },
]
SCRIPT = """\
def vqa_score(prompt, image):
    return 'Does it show "{}"?'.format(prompt)
def tifa(vqa_list, image):
    return '{} In a word, please.'.format(question)
def soft_tifa(vqa_list, image):
    return '{} In a word, please.'.format(question), "Missing: {}".format(image)
raise SystemExit("it is never run")
"""


def write(folder: Path, rows: list[dict[str, object]] = PROMPTS) -> Path:
    """A checkout below `folder`."""
    copy = folder / "GenEval2"
    copy.mkdir(parents=True, exist_ok=True)
    (copy / "geneval2_data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (copy / "evaluation.py").write_text(SCRIPT)
    return copy
