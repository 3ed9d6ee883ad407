"""The files of GEdit-Bench: its data set as Arrow or Parquet files, or the copy in UniWorld-V1.

The data set has its pictures inside: they are read one at a time and put into a folder. The copy,
`gedit_edit.json`, is in English only, has no pictures, and does not say which edits belong to the
`Intersection` of the official tables.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel

from rr_refine.benchmarks.published.files import find_root, keep_picture, read_json
from rr_refine.digest import file_digest
from rr_refine.errors import ConfigError
from rr_refine.named import picture_of_data
from rr_refine.plain_text import quoted
from rr_refine.reward.preferences.rows import Embedded, read_rows

__all__ = ["GROUPS", "SUITES", "GEditFiles", "GEditItem", "Language", "read_edits"]

Language = Literal["en", "cn"]
SUITES: Final[tuple[Language, ...]] = ("en", "cn")

GROUPS: Final = (
    "background_change",
    "color_alter",
    "material_alter",
    "motion_change",
    "ps_human",
    "style_change",
    "subject-add",
    "subject-remove",
    "subject-replace",
    "text_change",
    "tone_transfer",
)
"""Task types, in the order of the official tables."""

_COPY: Final = "gedit_edit.json"
_HINT: Final = "give the folder of the data set stepfun-ai/GEdit-Bench"


@dataclass(frozen=True, slots=True)
class GEditItem:
    """One edit."""

    key: str
    group: str
    instruction: str
    source: Path
    intersection: bool | None
    """Is it one of the `Intersection`? None where the file does not say."""


@dataclass(frozen=True, slots=True)
class GEditFiles:
    """What was read."""

    edits: tuple[GEditItem, ...]
    """No key twice."""
    sha256: Mapping[str, str]
    """By file name."""
    notes: tuple[str, ...]


class _Row(BaseModel):
    task_type: str
    key: str
    instruction: str | None
    instruction_language: str
    input_image: Embedded | None = None
    input_image_raw: Embedded | None = None
    Intersection_exist: bool | None = None


class _Copied(BaseModel):
    prompt: str
    id: str
    edit_type: str


def read_edits(
    data: Path, language: Language, *, limit: int | None, cache: Path | None
) -> GEditFiles:
    """Read the edits of one language.

    Args:
        data: a file, or a folder that has it somewhere.
        limit: the first so many.
        cache: where pictures are put that come inside of the files.

    Raises:
        ConfigError: there is no such file, it is not of this form, or pictures are missing.
        MissingExtraError: pyarrow is needed, and not installed.
        StoreError: a picture cannot be written.
    """
    if not data.exists():
        raise ConfigError(f"{str(data)!r} does not exist")
    tables = _files(data, ".arrow") or _files(data, ".parquet")
    files = tables or _files(data, _COPY)
    if not files:
        raise ConfigError(f"{str(data)!r} has no Arrow or Parquet file and no {_COPY}; {_HINT}")
    if tables:
        found = _read_tables(tables, language, cache)
    elif language == "en":
        found = _read_copy(data, files[0], limit)
    else:
        raise ConfigError(f"{str(files[0])!r} is in English only; for the suite 'cn' {_HINT}")
    edits: dict[str, GEditItem] = {}
    repeated = []
    for edit in found:
        if edit.key in edits:
            repeated.append(edit.key)
            continue
        edits[edit.key] = edit
        if len(edits) == limit:
            break
    if not edits:
        raise ConfigError(f"{str(data)!r} has no edits in {language!r}; {_HINT}")
    return GEditFiles(
        tuple(edits.values()),
        {path.name: file_digest(path) for path in files},
        tuple(_notes(edits.values(), repeated)),
    )


def _notes(edits: Iterable[GEditItem], repeated: list[str]) -> Iterator[str]:
    if repeated:
        yield (
            f"{len(repeated)} edits have the key of an earlier one, whose pictures theirs would "
            f"overwrite: they are left out ({', '.join(repeated)}); the official scripts count "
            "both, with the pictures of the last"
        )
    if unknown := sum(edit.intersection is None for edit in edits):
        yield (
            f"the file does not say of {unknown} edits whether they belong to the intersection: "
            "they are counted as not in it"
        )


def _files(data: Path, end: str) -> list[Path]:
    """Files by how they are called, those of the split `train` if there is one."""
    if data.is_file():
        return [data] if data.name.endswith(end) else []
    found = [path for path in sorted(data.rglob(f"*{end}")) if not path.name.startswith("cache-")]
    return [path for path in found if path.parent.name == "train"] or found


def _read_tables(
    files: Sequence[Path], language: Language, cache: Path | None
) -> Iterator[GEditItem]:
    for found in read_rows(files, _Row):
        row, file = found.value, found.file
        if (row.instruction_language == "en") != (language == "en"):
            continue
        _check(file, row.key, row.task_type)
        picture = row.input_image or row.input_image_raw
        source = _source(file, row.key, picture, cache)
        text = row.instruction or ""
        yield GEditItem(row.key, row.task_type, text, source, row.Intersection_exist)


def _source(file: Path, key: str, picture: Embedded | None, cache: Path | None) -> Path:
    """The path of a picture, which is written unless it is there already. Where there is none, its
    item fails, and no other.
    """
    if picture is None or picture.data is None:
        return picture_of_data(file.parent, (picture and picture.path) or f"no picture of {key}")
    if cache is None:
        raise ConfigError(f"{str(file)!r} has its pictures inside: name a folder to put them in")
    name = hashlib.sha256(picture.data).hexdigest()
    return keep_picture(picture.data, cache / "sources", name)


def _read_copy(data: Path, file: Path, limit: int | None) -> Iterator[GEditItem]:
    found, _ = read_json(file, dict[str, _Copied])
    chosen = list(found.items())[:limit]
    if not chosen:
        return
    root = find_root(data, [edit.id for _, edit in chosen], "they are in the data set")
    for key, edit in chosen:
        _check(file, key, edit.edit_type)
        source = picture_of_data(root, edit.id)
        yield GEditItem(key, edit.edit_type, edit.prompt, source, None)


def _check(file: Path, key: str, group: str) -> None:
    if not re.fullmatch(r"[\w-][\w.-]*", key):
        raise ConfigError(f"{str(file)!r}: key {quoted(key)} cannot be the name of a picture")
    if group not in GROUPS:
        raise ConfigError(
            f"{str(file)!r}: key {quoted(key)} has the task type {quoted(group)}, which is none of "
            f"{', '.join(GROUPS)}"
        )
