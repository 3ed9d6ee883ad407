"""Requests of GenEval: the lines of `evaluation_metadata.jsonl`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from rr_refine.benchmarks.published.files import read_lines
from rr_refine.errors import ConfigError

__all__ = ["GenEvalRequest", "find_file", "read_requests"]

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
