"""The official scripts' files of judged pictures, as `prepare_meta_info.py` and `PicaEval_gpt.py`
would have written them, with the prompt and the difficulty that the former drops.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from rr_refine.benchmarks.protocol import Answers
from rr_refine.benchmarks.published.files import write_file
from rr_refine.benchmarks.published.picabench.answer import FAILED, is_right, read_answer

if TYPE_CHECKING:
    from rr_refine.benchmarks.published.picabench.case import Case

__all__ = ["answered", "write_output"]

Entries = list[dict[str, "JsonValue"]]


def answered(case: Case, answers: Answers | None) -> Entries:
    """The question-answer pairs with what the judge made of them.

    Args:
        answers: None where there are none: each is then the official script's error, and wrong.
    """
    entries = [dict(entry) for entry in case.entries]
    given = [FAILED] * len(case.pairs) if answers is None else answers
    for (place, pair), text in zip(case.pairs, given, strict=True):
        answer, explanation = read_answer(text)
        entries[place] |= {
            "model_answer": answer,
            "model_response": text.strip(),
            "model_explanation": explanation,
            "is_correct": is_right(answer, pair.answer),
        }
    return entries


def write_output(
    folder: Path,
    pictures: Path,
    judged: Sequence[tuple[Case, Answers | None]],
    analysis: dict[str, JsonValue],
) -> None:
    """Write `meta_info.json`, and the output and analysis that go with it.

    Paths in them are relative to `folder`, which is the scripts' default image base.

    Args:
        pictures: where `00042.png` and so on are.

    Raises:
        StoreError: a file cannot be written.
    """
    suffix = "1024_crop_box_and_resize.json"
    meta: list[JsonValue] = []
    output: list[JsonValue] = []
    for case, answers in judged:
        picture = pictures / f"{case.id}.png"
        meta.append(_record(case, folder, picture, list(case.entries)))
        output.append(_record(case, folder, picture, answered(case, answers)))
    _write(folder / "meta_info.json", meta)
    _write(folder / f"meta_info_gpt_output_{suffix}", output)
    _write(folder / f"meta_info_gpt_analysis_{suffix}", analysis)


def _record(case: Case, folder: Path, picture: Path, entries: Entries) -> dict[str, JsonValue]:
    return {
        "index": case.index,
        "input_path": _relative(case.source, folder),
        "output_path": _relative(picture, folder),
        "edit_instruction": case.prompt,
        "physics_category": case.category,
        "physics_law": case.law,
        "edit_operation": case.operation,
        "difficulty": case.difficulty,
        "annotated_qa_pairs": list(entries),
        "edit_area": list(case.edit_area) if isinstance(case.edit_area, list) else case.edit_area,
    }


def _relative(path: Path, folder: Path) -> str:
    # Folders without symbolic links in them: ".." across one would lead elsewhere.
    place = path.parent.resolve() / path.name
    return os.path.relpath(place, folder.resolve()).replace(os.sep, "/")


def _write(path: Path, value: JsonValue) -> None:
    data = json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace")
    write_file(path, data)
