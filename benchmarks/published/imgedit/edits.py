"""The files of ImgEdit-Bench: which edits it asks for, and the official prompts.

Names and folders differ between the repository (`Basic/basic_edit.json`, no pictures) and the
archive with the pictures (`singleturn/singleturn.json`), so each is looked for by what it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel

from rr_refine.benchmarks.published.files import DEPTH, find_file, folders, read_json
from rr_refine.benchmarks.published.imgedit.wording import LABELS, PLACE, UGE
from rr_refine.errors import ConfigError
from rr_refine.plain_text import quoted

__all__ = ["SUITES", "ImgEditFile", "ImgEditItem", "Suite", "read_edits", "read_prompts"]

Suite = Literal["basic", "uge"]
SUITES: Final[tuple[Suite, ...]] = ("basic", "uge")

_NAMES: Final[dict[Suite, tuple[str, ...]]] = {
    "basic": ("basic_edit.json", "singleturn.json"),
    "uge": ("UGE_edit.json",),
}
_TYPES: Final[dict[Suite, str]] = {
    "basic": f"one of {', '.join(name for name in LABELS if name != UGE)}",
    "uge": "none",
}
_PROMPTS: Final = ("prompts.json", "judge_prompt.json")
_HARD: Final = "hard"
"""The folder of the suite UGE in the archive, whose JSON file may have any name."""
_ALIASES: Final = {"alter": "adjust"}
"""Types as an older version of the files calls them; the newer prompts lack them."""


@dataclass(frozen=True, slots=True)
class ImgEditItem:
    """One edit."""

    picture: str
    """The original, below the root of the pictures: `animal/000342021.jpg`."""
    prompt: str
    """As the file has it, white space around it included."""
    type: str
    """One of `LABELS`."""


@dataclass(frozen=True, slots=True)
class ImgEditFile:
    """A suite's file."""

    path: Path
    sha256: str
    edits: Mapping[str, ImgEditItem]
    """By key, in the order of the file."""
    notes: tuple[str, ...]


class _Edit(BaseModel):
    id: str
    prompt: str
    edit_type: str | None = None


def read_edits(data: Path, suite: Suite) -> ImgEditFile:
    """Find and read the suite's file.

    Args:
        data: the file, or a folder that has it, up to two levels deep.

    Raises:
        ConfigError: there is no such file, or it is not of this form.
    """
    path = _find_edits(data, suite)
    found, sha256 = read_json(path, dict[str, _Edit])
    edits = {}
    renamed = 0
    for key, edit in found.items():
        if not re.fullmatch(r"[\w-][\w.-]*", key):
            raise ConfigError(f"{str(path)!r}: key {quoted(key)} cannot be the name of a picture")
        given = edit.edit_type or UGE
        name = _ALIASES.get(given, given)
        if (name == UGE) != (suite == "uge") or name not in LABELS:
            raise ConfigError(
                f"{str(path)!r}: key {quoted(key)} has edit_type {quoted(edit.edit_type)}; "
                f"in the suite {suite!r} it has {_TYPES[suite]}"
            )
        renamed += name != given
        edits[key] = ImgEditItem(edit.id, edit.prompt, name)
    if not edits:
        raise ConfigError(f"{str(path)!r} has no edits")
    notes = (
        (
            f"{path.name} is an older version, which calls the edit type 'adjust' 'alter' "
            f"({renamed} items): it is called 'adjust' here; some of its prompts differ from the "
            "newer version's, too",
        )
        if renamed
        else ()
    )
    return ImgEditFile(path, sha256, edits, notes)


def read_prompts(
    given: Path | None, data: Path, types: Collection[str]
) -> tuple[Path, str, dict[str, str]] | None:
    """The official prompts of the user's copy, with their sha256; None where there are none.

    Args:
        given: the file, if the user names one; otherwise it is looked for in `data`.
        types: that need a prompt.

    Raises:
        ConfigError: the file is missing or not of this form.
    """
    path = given or find_file(data, _PROMPTS)
    if path is None:
        return None
    found, sha256 = read_json(path, dict[str, str])
    prompts = {_ALIASES.get(name, name): text for name, text in found.items()}
    for name in types:
        if PLACE not in prompts.get(name, ""):
            raise ConfigError(
                f"{str(path)!r} has no prompt with {PLACE} for the edit type {name!r}: give "
                "prompts.json of ImgEdit's repository"
            )
    return path, sha256, prompts


def _find_edits(data: Path, suite: Suite) -> Path:
    if data.is_file():
        return data
    if path := find_file(data, _NAMES[suite]):
        return path
    if suite == "uge":
        for folder in folders(data):
            others = [p for p in sorted(folder.glob("*.json")) if p.name not in _PROMPTS]
            if folder.name == _HARD and len(others) == 1:
                return others[0]
    names = " or ".join(_NAMES[suite]) + (f" or one JSON file in {_HARD}/" * (suite == "uge"))
    raise ConfigError(
        f"there is no {names} in {str(data)!r}, nor up to {DEPTH} folders down: give the folder "
        "Benchmark of ImgEdit"
    )
