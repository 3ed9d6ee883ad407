"""Files of the form in which WISE (Verified) is published, with prompts of our own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

NAMES = {
    "cultural_common_sense": range(1, 401),
    "spatio-temporal_reasoning": range(401, 641),
    "natural_science": range(641, 1001),
}
SCRIPT = """\
def build_evaluation_messages(prompt_data, image_base64):
    return [
        {"role": "system", "content": [{"type": "text", "text": "Official words before."}]},
        {"role": "user", "content": [
            {"type": "text", "text": f\"\"\"Is {{this}} right?
PROMPT: "{prompt_data['Prompt']}"
EXPLANATION: "{prompt_data['Explanation']}"
Answer.\"\"\"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image_base64}"}},
        ]},
    ]
raise SystemExit("it is never run")
"""


def prompt(number: int) -> dict[str, object]:
    return {
        "Prompt": f"What is meant by number {number}",
        "Explanation": f"It is {number} {{apples}}",
        "Category": "Cultural knowledge",  # the id alone tells
        "Subcategory": "Sums",
        "prompt_id": number,
    }


def write(folder: Path, ids: Iterable[int] = range(1, 1001)) -> Path:
    """A checkout below `folder`."""
    data = folder / "WISE" / "data_verified"
    data.mkdir(parents=True)
    wanted = set(ids)
    for name, own in NAMES.items():
        rows = [prompt(number) for number in own if number in wanted]
        (data / f"{name}_verified.json").write_text(json.dumps(rows))
    (data.parent / "vllm_eval.py").write_text(SCRIPT)
    return data
