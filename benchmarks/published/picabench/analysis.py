"""The official files of judged pictures, read and written, and the official accuracy.

They are as `prepare_meta_info.py` and `PicaEval_gpt.py` would have written them, with the prompt
and the difficulty that the former drops.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from pydantic import BaseModel, JsonValue

from rr_refine.benchmarks.protocol import Answers
from rr_refine.benchmarks.published.benchmark import number_at
from rr_refine.benchmarks.published.files import write_file
from rr_refine.benchmarks.published.picabench.answer import (
    FAILED,
    is_right,
    read_answer,
    tolerant_parse,
)
from rr_refine.benchmarks.published.picabench.case import UNKNOWN, read_list
from rr_refine.errors import ConfigError
from rr_refine.reward.preferences.rows import checked

if TYPE_CHECKING:
    from rr_refine.benchmarks.published.picabench.case import Case

__all__ = [
    "JudgedCase",
    "accuracies",
    "analyse",
    "answered",
    "other_views",
    "read_judged",
    "write_output",
]

Entry = dict[str, JsonValue]


class JudgedCase(BaseModel):
    """An item of `*_output_*.json`: of `meta_info.json`, with answers in its pairs."""

    index: int | None = None
    physics_category: str = UNKNOWN
    physics_law: str = UNKNOWN
    edit_operation: str = UNKNOWN
    qa_pairs: list[Entry] | dict[str, list[Entry]] | None = None
    annotated_qa_pairs: list[Entry] | dict[str, list[Entry]] | None = None

    @property
    def answered(self) -> list[Entry]:
        """The pairs that were put to the judge, of both fields, as the official script counts."""
        pairs: list[Entry] = []
        for field in (self.qa_pairs, self.annotated_qa_pairs):
            lists = field.values() if isinstance(field, dict) else [field or []]
            pairs.extend(pair for entries in lists for pair in entries)
        return [pair for pair in pairs if "is_correct" in pair]

    @property
    def failed(self) -> bool:
        """Did the judge answer none of them? The official script counts them as wrong."""
        return all(
            "error" in pair or pair.get("model_response") == FAILED for pair in self.answered
        )


def read_judged(file: Path) -> list[JudgedCase]:
    """The items of an official output file.

    Raises:
        ConfigError: it is none, or has no answers.
    """
    items = [checked(JudgedCase, found, file, n) for n, found in enumerate(read_list(file))]
    if not any(item.answered for item in items):
        raise ConfigError(
            f"{str(file)!r} holds no judgements: give the scripts' *_output_*.json, whose question-"
            "answer pairs have an is_correct"
        )
    return items


def analyse(items: Sequence[JudgedCase]) -> dict[str, JsonValue]:
    """What the official script writes as `*_analysis_*.json`, to the last digit.

    An accuracy is 100 times the mean of the items' shares of right answers; items without an
    answered question are left out.
    """
    overall = _Sum()
    groups: dict[str, dict[str, _Sum]] = {"by_category": {}, "by_law": {}, "by_operation": {}}
    for item in items:
        answered = item.answered
        if not answered:
            continue
        share = sum(bool(pair["is_correct"]) for pair in answered) / len(answered)
        overall.add(share, len(answered))
        names = (item.physics_category, item.physics_law, item.edit_operation)
        for group, name in zip(groups.values(), names, strict=True):
            group.setdefault(name, _Sum()).add(share, len(answered))
    return {
        "overall_accuracy": overall.accuracy,
        "sample_count": overall.items,
        "qa_total": overall.questions,
        **{
            by: {
                name: {
                    "accuracy": own.accuracy,
                    "sample_count": own.items,
                    "qa_total": own.questions,
                }
                for name, own in group.items()
            }
            for by, group in groups.items()
        },
    }


def other_views(judged: Iterable[tuple[Case, Answers | None]]) -> dict[str, JsonValue]:
    """The mean over questions instead of items, and the official accuracy by a parser that
    takes less for an answer (see `tolerant_parse`).

    `reread` answers are right by one of the parsers only; `unreadable` ones are neither yes nor
    no to the tolerant one, nor is a missing answer.
    """
    shares: list[float] = []
    questions = right = reread = unreadable = 0
    for case, answers in judged:
        if not case.pairs:
            continue
        given = [""] * len(case.pairs) if answers is None else answers
        tolerant = 0
        for (_, pair), text in zip(case.pairs, given, strict=True):
            parsed = tolerant_parse(text)
            theirs = is_right(read_answer(text)[0], pair.answer)
            ours = parsed is not None and is_right(parsed, pair.answer)
            right, tolerant = right + theirs, tolerant + ours
            reread += theirs != ours
            unreadable += parsed is None
        questions += len(case.pairs)
        shares.append(tolerant / len(case.pairs))
    if not shares:
        return {}
    return {
        "micro_accuracy": 100.0 * right / questions,
        "tolerant_accuracy": 100.0 * fmean(shares),
        "reread": reread,
        "unreadable": unreadable,
    }


class _Sum:
    """Shares added one by one, in order: another order may differ in the last digit."""

    def __init__(self) -> None:
        self.shares = 0.0
        self.items = 0
        self.questions = 0

    def add(self, share: float, questions: int) -> None:
        self.shares += share
        self.items += 1
        self.questions += questions

    @property
    def accuracy(self) -> float:
        return 100.0 * self.shares / self.items if self.items else 0.0


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


def accuracies(official: Mapping[str, JsonValue]) -> dict[str, float | None]:
    """Those of `analyse`, by name."""
    found = {"overall": number_at(official, "overall_accuracy")}
    for by in ("by_category", "by_law"):
        groups = official[by]
        assert isinstance(groups, dict)
        found |= {name: number_at(own, "accuracy") for name, own in groups.items()}
    return found


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
