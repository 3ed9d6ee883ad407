"""Small files of the form that PICABench is published in, made by hand."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
from PIL import Image
from pyarrow import parquet

Json = dict[str, Any]

BOX = {"x": 100.0, "y": 100.0, "width": 60.0, "height": 20.0}
AREA = {"x": 0.0, "y": 0.0, "width": 9.0, "height": 9.0, "id": "BxnMC34B", "order": 1}


def pair(question: str, answer: str, box: Json | None = None) -> Json:
    return {"question": question, "answer": answer, "box": box, "id": question[:1]}


def encoded(size: tuple[int, int] = (40, 20), colour: str = "teal", kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def row(number: int, law: str, operation: str, pairs: Sequence[Json], **other: Any) -> Json:
    return {
        "physics_category": "Optics" if law in ("Reflection", "Refraction") else "Mechanics",
        "physics_law": law,
        "edit_operation": operation,
        "superficial_prompt": f"short {number}",
        "intermediate_prompt": f"longer {number}",
        "explicit_prompt": f"in full {number}",
        "annotated_qa_pairs": list(pairs),
        "edit_area": [AREA],
        "image_path": f"input_img/{number}.jpg",
        "input_image": {"bytes": encoded(), "path": f"{number}.png"},
        **other,
    }


def rows() -> list[Json]:
    """Three questions, one and two; the last item's second has no box."""
    return [
        row(
            0,
            "Reflection",
            "remove",
            [
                pair("Is a tulip in the window?", "No", BOX),
                pair("Is the vase empty?", "Yes", BOX),
                pair("Is the table dry?", "Yes", BOX),
            ],
        ),
        row(1, "Refraction", "add", [pair("Is the straw bent?", "Yes", BOX)]),
        row(
            2,
            "Deformation",
            "remove",
            [pair("Is the pillow dented?", "No", BOX), pair("Is it day?", "Yes")],
        ),
    ]


def write_parquet(path: Path, found: Sequence[Json]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(list(found)), path)
    return path


def meta(number: int, **other: Any) -> Json:
    return {
        "index": number,
        "input_path": f"input_img/{number}.png",
        "output_path": f"output_img/{number}.png",
        "edit_instruction": f"do {number}",
        "physics_category": "Optics",
        "physics_law": "Reflection",
        "edit_operation": "remove",
        "difficulty": "superficial",
        "annotated_qa_pairs": [pair("Is a tulip in the window?", "No", BOX)],
        "edit_area": "unknown",
        **other,
    }


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")
    return path


def said(answer: str) -> str:
    return json.dumps({"answer": answer, "explanation": "seen"})
