"""The files of GenEval: its requests, and the verdicts of the detector with their summary.

Requests are lines of `evaluation_metadata.jsonl`, verdicts lines of `evaluate_images.py`'s results.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue, StrictBool

from rr_refine.benchmarks.published.files import read_lines
from rr_refine.errors import ConfigError
from rr_refine.plain_text import whole_number

__all__ = [
    "DetectorVerdict",
    "GenEvalRequest",
    "find_file",
    "official_parse",
    "read_requests",
    "read_verdicts",
    "summarise",
]

_NAME: Final = "evaluation_metadata.jsonl"


class _Metadata(BaseModel):
    model_config = ConfigDict(frozen=True)

    tag: str
    prompt: str


@dataclass(frozen=True, slots=True)
class GenEvalRequest:
    """One line."""

    index: int
    tag: str
    """The task: `single_object`, `two_object`, `counting`, `colors`, `position`, `color_attr`."""
    prompt: str
    line: bytes
    """As it is, without its end: what the detector looks for is in it."""

    @property
    def id(self) -> str:
        """As its folder is called: `00042`."""
        return f"{self.index:05d}"


def find_file(data: Path) -> Path:
    """The file: `data` itself, or in that folder, or in its `prompts`.

    Raises:
        ConfigError: there is none.
    """
    for path in (data, data / _NAME, data / "prompts" / _NAME):
        if path.is_file():
            return path
    raise ConfigError(f"{str(data)!r} holds no {_NAME}: give a copy of GenEval's repository")


def read_requests(file: Path) -> list[GenEvalRequest]:
    """All requests, numbered from 0.

    Raises:
        ConfigError: the file cannot be read, is empty, or a line is not of the published form.
    """
    lines = read_lines(file, _Metadata, "is not of the published form")
    requests = [
        GenEvalRequest(n, found.tag, found.prompt, line) for n, (found, line) in enumerate(lines)
    ]
    if not requests:
        raise ConfigError(f"{str(file)!r} is empty")
    return requests


class DetectorVerdict(BaseModel):
    """Of one picture. What the detector saw is left out."""

    filename: str
    """`OUT/00042/samples/0001.png`"""
    tag: str
    correct: StrictBool
    metadata: str
    """The request, as JSON: prompts are told apart by it."""

    @property
    def id(self) -> str | None:
        """Of the item; None where the name is not of the official layout."""
        path = PurePosixPath(self.filename.replace("\\", "/"))
        request, sample = whole_number(path.parent.parent.name), whole_number(path.stem)
        if request is None or sample is None:
            return None
        return f"{request:05d}_{sample:04d}"


def official_parse(text: str) -> bool | None:
    """Is the picture of this line of results correct? None where the line does not say."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    correct = found.get("correct") if isinstance(found, dict) else None
    return correct if isinstance(correct, bool) else None


def read_verdicts(file: Path) -> list[DetectorVerdict]:
    """The lines of a results file.

    Raises:
        ConfigError: it cannot be read, or a line is not of the official form.
    """
    lines = read_lines(file, DetectorVerdict, "is no result of evaluate_images.py")
    verdicts = [verdict for verdict, _ in lines]
    if not verdicts:
        raise ConfigError(f"{str(file)!r} holds no results")
    return verdicts


def summarise(verdicts: Sequence[DetectorVerdict]) -> dict[str, JsonValue]:
    """The numbers that `summary_scores.py` prints, as shares of 1 and not rounded.

    The overall score is the plain mean of the tasks' shares of correct pictures, tasks in the order
    of their first line.

    Args:
        verdicts: one at least.
    """
    prompts: dict[str, list[bool]] = {}
    tasks: dict[str, list[bool]] = {}
    for verdict in verdicts:
        prompts.setdefault(verdict.metadata, []).append(verdict.correct)
        tasks.setdefault(verdict.tag, []).append(verdict.correct)
    scores = {tag: sum(own) / len(own) for tag, own in tasks.items()}
    total = 0.0
    for score in scores.values():  # in order, as numpy adds so few: `sum` may round otherwise
        total += score
    return {
        "total_images": len(verdicts),
        "total_prompts": len(prompts),
        "correct_images": sum(verdict.correct for verdict in verdicts) / len(verdicts),
        "correct_prompts": sum(map(any, prompts.values())) / len(prompts),
        "tasks": {
            tag: {"score": scores[tag], "correct": sum(own), "total": len(own)}
            for tag, own in tasks.items()
        },
        "overall": total / len(scores),
    }
