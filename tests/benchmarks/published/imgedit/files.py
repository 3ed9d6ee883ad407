"""Small files of the form in which ImgEdit-Bench is published."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

EDITS: dict[str, dict[str, str]] = {
    "1082": {"id": "animal/01.jpg", "prompt": "Smooth its shell.", "edit_type": "adjust"},
    "673": {"id": "style/07.jpg", "prompt": " Make it a mosaic. ", "edit_type": "style"},
    "1149": {
        "id": "compose/human/14.jpg",
        "prompt": "Turn it, dim it.",
        "edit_type": "compose",
    },
    "22": {"id": "for add/03.jpg", "prompt": "Add a dog.", "edit_type": "add"},
    "1068": {"id": "animal/01.jpg", "prompt": "Darken its fur.", "edit_type": "adjust"},
    "1075": {"id": "animal/01.jpg", "prompt": "Lighten it.", "edit_type": "adjust"},
}
UGE_EDITS = {
    "1": {"id": "000029784.jpg", "prompt": "Remove the smallest cup."},
    "2": {"id": "000065904.jpg", "prompt": "Paint the third car."},
}
PROMPTS = {
    name: f"An official text about {name}: <edit_prompt>. Grade it."
    for name in ("add", "adjust", "compose", "style")
}


def write_json(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=4))
    return path


def write_pictures(root: Path, edits: dict[str, dict[str, str]]) -> None:
    for number, edit in enumerate(edits.values()):
        path = root / edit["id"]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (30 * number, 0, 99)).save(path)


def write_archive(folder: Path) -> Path:
    """`Benchmark` as Benchmark.tar has it."""
    benchmark = folder / "Benchmark"
    write_json(benchmark / "singleturn" / "singleturn.json", EDITS)
    write_pictures(benchmark / "singleturn", EDITS)
    write_json(benchmark / "hard" / "annotation.json", UGE_EDITS)
    write_pictures(benchmark / "hard", UGE_EDITS)
    turns = {"1": {"id": "000066341.jpg", "turn1": "a", "turn2": "b", "turn3": "c"}}
    write_json(benchmark / "multiturn" / "content_memory" / "annotation.json", turns)
    return benchmark


def write_checkout(folder: Path) -> Path:
    """The repository's folder `Benchmark`, with the originals beside."""
    benchmark = folder / "checkout"
    write_json(benchmark / "Basic" / "basic_edit.json", EDITS)
    write_json(benchmark / "Basic" / "prompts.json", PROMPTS)
    write_pictures(benchmark / "originals", EDITS)
    write_json(benchmark / "UGE" / "UGE_edit.json", UGE_EDITS)
    write_pictures(benchmark / "originals", UGE_EDITS)
    return benchmark
