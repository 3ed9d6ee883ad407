"""Small files of the published forms."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.ipc
from pyarrow import parquet

from tests.benchmarks.preference.judges import picture

GOOD, POOR = 200, 50
QUALITIES = {"A": (GOOD, POOR), "B": (POOR, GOOD), "tie": (GOOD, GOOD), "bad": (POOR, POOR)}
"""Of the two pictures, by what people said."""
SIDES = {
    "leftvote": "A",
    "rightvote": "B",
    "tievote": "tie",
    "bothbad_vote": "bad",
    "A>B": "A",
    "B>A": "B",
    "A=B": "tie",
}
"""What the label of such a pair is."""


def stored(quality: int, number: int) -> dict[str, Any]:
    """A picture as parquet files hold it."""
    return {"bytes": picture(quality, number), "path": f"{number}.png"}


def pair(label: str, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    a, b = QUALITIES[SIDES[label]]
    return stored(a, 2 * number), stored(b, 2 * number + 1)


def generation(votes: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of GenAI-Bench, image_generation."""
    rows = []
    for number, vote in enumerate(votes):
        left, right = pair(vote, number)
        rows.append(
            {
                "prompt": f"request {number}",
                "left_model": "m",
                "left_image": left,
                "right_model": "n",
                "right_image": right,
                "vote_type": vote,
            }
        )
    return rows


def edition(votes: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of GenAI-Bench, image_edition."""
    rows = []
    for number, vote in enumerate(votes):
        left, right = pair(vote, number)
        rows.append(
            {
                "source_prompt": "a cat",
                "target_prompt": "a dog",
                "instruct_prompt": f"request {number}",
                "source_image": stored(0, 900),
                "left_model": "m",
                "left_output_image": left,
                "right_model": "n",
                "right_output_image": right,
                "vote_type": vote,
            }
        )
    return rows


def hub(chosen: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of MMRB2's data set, text-to-image."""
    rows = []
    for number, letter in enumerate(chosen):
        a, b = pair("A>B" if letter in "Aa" else "B>A", number)
        rows.append(
            {
                "pair_id": f"p{number}",
                "prompt_text": f"request {number}",
                "prompt_images": [],
                "response_a_text": None,
                "response_a_images": [a],
                "response_a_model": "m",
                "response_b_text": "<image_1>",
                "response_b_images": [b],
                "response_b_model": "n",
                "chosen": letter,
                "human_annotations": "[6, 5, 5]",
                "prompt_metadata": "{}",
            }
        )
    return rows


def ranked(groups: Sequence[Sequence[int]], first: int = 0) -> list[dict[str, Any]]:
    """Rows of EditReward-Bench: a group for every list of qualities, of 2 to 4 edits each."""
    rows = []
    for group, qualities in enumerate(groups, first):
        size = len(qualities)
        pairs = [(i, j) for i in range(size) for j in range(i + 1, size)]
        for index, (i, j) in enumerate(pairs):
            x, y = "ABCD"[i], "ABCD"[j]
            better = (qualities[i] > qualities[j]) - (qualities[i] < qualities[j])
            rows.append(
                {
                    "id": f"g{group}_{index}",
                    "dataset": f"{size}pair",
                    "num_candidates": size,
                    "comparison_type": f"{x}vs{y}",
                    "instruction": f"request {group}.{index}",
                    "source_image": stored(0, 900),
                    "candidate_1": stored(qualities[i], 10 * group + i),
                    "candidate_2": stored(qualities[j], 10 * group + j),
                    "ranking": {1: f"{x}>{y}", 0: f"{x}={y}", -1: f"{y}>{x}"}[better],
                    "model_1": "m",
                    "score_1": 3.0,
                }
            )
    return rows


def hpdv3(folder: Path, count: int) -> Path:
    """HPDv3's `test.json` with the pictures that it names; the first of each pair is better."""
    rows = []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        paths = [f"images/{number}{side}.png" for side in "wl"]
        for path, quality in zip(paths, (GOOD, POOR), strict=True):
            (folder / path).write_bytes(picture(quality, number))
        rows.append(
            {
                "prompt": f"request {number}",
                "path1": paths[0],
                "path2": paths[1],
                "confidence": 0.99,
                "choice_dist": [10, 1],
            }
        )
    file = folder / "test.json"
    file.write_text(json.dumps(rows))
    return file


def write(file: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows as the ending says: `.stream.arrow` is what `datasets` saves.

    Pictures in JSON are files beside it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix in (".json", ".jsonl", ".csv"):
        plain = [
            {key: _beside(file, value) if _is_picture(value) else value for key, value in r.items()}
            for r in rows
        ]
        if file.suffix == ".csv":
            with file.open("w", newline="") as out:
                writer = csv.DictWriter(out, list(plain[0]))
                writer.writeheader()
                writer.writerows(plain)
            return file
        text = "\n".join(map(json.dumps, plain)) if file.suffix == ".jsonl" else json.dumps(plain)
        file.write_text(text)
        return file
    table = pyarrow.Table.from_pylist(list(rows))
    if file.suffix == ".parquet":
        parquet.write_table(table, file, row_group_size=8)
        return file
    stream = file.name.endswith(".stream.arrow")
    make = pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file
    with make(str(file), table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return file


def _is_picture(value: object) -> bool:
    return isinstance(value, dict) and "bytes" in value


def _beside(file: Path, value: dict[str, Any]) -> str:
    name = f"pictures/{value['bytes'].hex()[60:160]}-{value['path']}"
    (file.parent / name).parent.mkdir(exist_ok=True)
    (file.parent / name).write_bytes(value["bytes"])
    return name
