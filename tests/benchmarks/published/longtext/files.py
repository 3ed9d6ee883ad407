"""Small files of the form in which LongText-Bench is published, in words of our own."""

from __future__ import annotations

import json
from pathlib import Path

PROMPTS: list[dict[str, object]] = [
    {
        "category": "sign",
        "length": "short",
        "prompt": 'A shop sign that says "Grand Opening" and below it "Save 20%"',
        "text": ["Grand Opening", "Save 20%"],
        "text_length": 4,
        "prompt_id": 7,
    },
    {
        "category": "poster",
        "length": "long",
        "prompt": 'A poster with the words "to be or not to be"',
        "text": ["to be or not to be"],
        "text_length": 6,
        "prompt_id": 110,  # ids have gaps
    },
]
PROMPTS_ZH: list[dict[str, object]] = [
    {
        "category": "label",
        "length": "short",
        "prompt": "标签上写着“WiFi 密码”",
        "text": ["WiFi 密码"],
        "text_length": 6,
        "prompt_id": 3,
    }
]
SCRIPT = """\
import torch
class ImageEvaluator:
    def __init__(self, device):
        self.other = "Not this one"
        self.qwen_prompt = (
            "An official question about {text}, "
            "in two parts."
        )
raise SystemExit("it is never run")
"""


def write(folder: Path) -> Path:
    """The folder `textbench` of a checkout, below `folder`."""
    bench = folder / "textbench"
    bench.mkdir(parents=True)
    for name, rows in (("text_prompts.jsonl", PROMPTS), ("text_prompts_zh.jsonl", PROMPTS_ZH)):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (bench / name).write_text(lines)
    (bench / "evaluate_text_reward.py").write_text(SCRIPT)
    return bench
