"""The prompt files of UniGenBench: 600 prompts, each with testpoints and what they mean there.

`test_prompts_<suite>.csv` has the columns `index`, `prompt_<language>` and `sub_dims_<language>`,
the last with a JSON object. Testpoints stay lists: a label may occur twice in one prompt.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from rr_refine.benchmarks.published.csv_file import CsvRecord, read_csv
from rr_refine.benchmarks.published.unigenbench.taxonomy import Language
from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError
from rr_refine.files import parse_json
from rr_refine.plain_text import quoted

__all__ = ["PromptFile", "PromptRow", "find_prompts", "read_prompts"]


@dataclass(frozen=True, slots=True)
class PromptRow:
    """One prompt."""

    index: int
    prompt: str
    testpoints: tuple[str, ...]
    """Labels: `Attribute - Color`."""
    descriptions: tuple[str, ...]
    """What each testpoint is about in this prompt: `two pandas`."""
    theme: str
    """The file's first category: `Art`; empty where it names none."""
    text: str
    """The record as a line of the CSV file, mended where it had to be."""


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A file of prompts, or the first of them."""

    name: str
    sha256: str
    header: str
    """The first line as it stands in the file."""
    rows: tuple[PromptRow, ...]
    notes: tuple[str, ...]
    """What was mended."""


_KEYS: Final[dict[Language, tuple[str, str, str]]] = {
    "en": ("Testpoints", "Testpoint Description", "Primary Categories"),
    "zh": ("考点", "考点对应描述", "一级垂类"),
}
"""Of testpoints, descriptions and theme in the JSON object."""


def find_prompts(data: Path, suite: str) -> Path:
    """The suite's file: `data` itself, in that folder, or in `data/` of a checkout.

    Raises:
        ConfigError: there is none.
    """
    name = f"test_prompts_{suite}.csv"
    if data.is_file() and data.name != name and data.name.startswith("test_prompts_"):
        other = data.stem.removeprefix("test_prompts_")
        raise ConfigError(f"{str(data)!r} is of the suite {other!r}, not {suite!r}")
    for path in (data, data / name, data / "data" / name):
        if path.is_file():
            return path
    raise ConfigError(
        f"{str(data)!r} has no {name}: give the folder `data` of UniGenBench's repository"
    )


def read_prompts(path: Path, language: Language, *, limit: int | None = None) -> PromptFile:
    """Read the prompts, or the first `limit` of them.

    One defect of the published files is mended and noted: a comma that is missing between two
    texts of a JSON list (`en_long`, index 509; the official script stops at it).

    Raises:
        ConfigError: the file is not of this form.
    """
    prompts, dims = f"prompt_{language}", f"sub_dims_{language}"
    file = read_csv(path, ("index", prompts, dims))
    notes: list[str] = []
    rows: dict[int, PromptRow] = {}
    for record in file.records[:limit]:
        index = _index(path, record)
        where = f"{str(path)!r} index {index}"
        if index in rows:
            raise ConfigError(f"{where} occurs twice, at last in line {record.line}")
        source = record.cells[dims]
        mended = _mend(source)
        if mended != source:
            notes.append(
                f"{path.name} index {index}: {dims} lacks a comma, which the official script "
                "stops at; it is put in here, and in the copy that is written for that script"
            )
        testpoints, descriptions, theme = _lists(f"{where}: {dims}", mended, language)
        rows[index] = PromptRow(
            index=index,
            prompt=record.cells[prompts],
            testpoints=tuple(testpoints),
            descriptions=tuple(descriptions),
            theme=theme,
            text=record.text.replace(_quoted(source), _quoted(mended)),
        )
    if not rows:
        raise ConfigError(f"{str(path)!r} has no prompts")
    return PromptFile(path.name, file.sha256, file.header, tuple(rows.values()), tuple(notes))


def _index(path: Path, record: CsvRecord) -> int:
    try:
        return int(record.cells["index"])
    except ValueError:
        raise ConfigError(
            f"{str(path)!r} line {record.line}: index {quoted(record.cells['index'])} is no number"
        ) from None


def _mend(text: str) -> str:
    """Put in the comma that is missing between two texts, if that is what is wrong."""
    try:
        json.loads(text)
    except RecursionError:
        return text  # which is said where it is read
    except json.JSONDecodeError as error:
        before = text[: error.pos].rstrip()
        if error.msg.startswith("Expecting ','") and before[-1:] == text[error.pos :][:1] == '"':
            return f"{before},{text[len(before) :]}"
    return text


def _quoted(text: str) -> str:
    return text.replace('"', '""')


def _lists(where: str, text: str, language: Language) -> tuple[list[str], list[str], str]:
    """Testpoints, as many descriptions, and the theme."""
    with raised_as(ConfigError, f"{where} is no JSON", ValueError):
        value = parse_json(text, nan=True)
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a JSON object")
    first, second, third = _KEYS[language]
    testpoints, descriptions = (_texts(where, value, key) for key in (first, second))
    if len(testpoints) != len(descriptions):
        raise ConfigError(
            f"{where}: {len(testpoints)} in {first!r} but {len(descriptions)} in {second!r}"
        )
    return testpoints, descriptions, str(value.get(third, ""))


def _texts(where: str, value: dict[str, JsonValue], key: str) -> list[str]:
    found = value.get(key)
    texts = [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
    if not texts or texts != found:
        raise ConfigError(f"{where}: {key!r} must be a list of texts, not {quoted(found)}")
    return texts
