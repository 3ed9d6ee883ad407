"""Files of settings: the user's own, which counts as the user's word, and those that may not.

A project's file, the file of `--config` and a run folder's config.json come from anywhere. They may
not name code, nor where the user's keys go, unless the user said `--trust`. That is remembered for
the file's real path, its contents and the folder that the user was in, in a folder of the user's
own.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue, TypeAdapter, ValidationError

from rr_refine.errors import ConfigError, StoreError
from rr_refine.files import locked, replace_file
from rr_refine.named import require_path
from rr_refine.redaction import clean
from rr_refine.trust import all_settings, named_code, named_workflows

__all__ = [
    "NotTrustedError",
    "SettingsFile",
    "harmful",
    "is_near",
    "is_trusted",
    "own_file",
    "own_folder",
    "require_trust",
    "trust",
    "trusted_folder",
]

CONFIG: Final = 1
PROJECT: Final = 2
RUN: Final = 3
"""How far a file is from the user's own word, which is 0."""

_TABLE: Final = TypeAdapter(dict[str, str])
_HOW: Final = (
    "if you have read the file and trust it, add --trust, which is remembered until the file "
    "changes; or give the value by a flag, the environment or your own settings file"
)


class NotTrustedError(ConfigError):
    """A file says what only a trusted one may say: `--trust` would allow it."""


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A file of settings as it was read."""

    path: Path
    """Its real path."""
    digest: str
    """SHA-256 of its contents."""
    rank: int
    """How far it is from the user's own word: `--config` 1, a project's file 2, a run folder 3."""
    shown: str
    """What messages call it."""

    @classmethod
    def of(cls, path: Path, data: bytes, rank: int) -> SettingsFile:
        """That of the contents `data` of `path`."""
        return cls(path.resolve(), hashlib.sha256(data).hexdigest(), rank, str(path))

    def refusal(self, key: str, value: JsonValue, why: str) -> NotTrustedError:
        """What is said when the file gives a setting that it may not give."""
        remembered = _read().get(str(self.path))
        changed = remembered is not None and not remembered.startswith(self.digest)
        since = f"{self.shown} has changed since you trusted it: " if changed else ""
        shown = clean(str(value))
        return NotTrustedError(
            f"{since}{key} = {shown!r} in {self.shown} is refused: {why}; {_HOW}"
        )


def own_folder() -> Path:
    """The user's own folder for settings, templates and what is trusted."""
    try:
        return Path.home() / ".rr-refine"
    except RuntimeError:  # a user without a home
        return Path("/nonexistent/.rr-refine")


def own_file() -> Path:
    """The user's own settings file, which need not exist."""
    return own_folder() / "settings.toml"


def require_own(path: Path) -> None:
    """What lies in the user's own folder counts as the user's word: only the user may write it.

    Raises:
        ConfigError: somebody else may.
    """
    # A link, too, and where it leads: who writes there says what the file is.
    for each in (path.parent, path, path.resolve().parent):
        state, link = each.stat(), each.lstat()
        foreign = {state.st_uid, link.st_uid} - {os.getuid(), 0}
        if foreign or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(
                f"{str(each)!r} can be written by others, so it does not count as yours: "
                f"chmod go-w {each}"
            )


def is_trusted(file: SettingsFile) -> bool:
    """Whether the user has trusted this file with these contents."""
    return trusted_folder(file) is not None


def trusted_folder(file: SettingsFile) -> Path | None:
    """The folder that the user was in who trusted this file with these contents; None if nobody
    did. What the file names is there: another folder may have its own of that name.
    """
    digest, _, folder = _read().get(str(file.path), "").partition(" ")
    return Path(folder) if folder and digest == file.digest else None


def trust(file: SettingsFile) -> None:
    """Remember that the user trusts this file with these contents.

    Raises:
        ConfigError: it cannot be remembered.
    """
    path = _store()
    try:
        path.parent.parent.mkdir(exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with locked(path, path.with_suffix(".lock")):
            table = {**_read(), str(file.path): f"{file.digest} {Path.cwd()}"}
            text = json.dumps(table, indent=1, sort_keys=True)
            replace_file(path, text.encode(), durable=True)
            path.chmod(0o600)
    except (OSError, StoreError) as error:
        raise ConfigError(f"what you trust cannot be remembered: {error}") from error


def require_trust(
    path: Path, data: bytes, table: Mapping[str, JsonValue], *, trusted: bool
) -> SettingsFile | None:
    """For a file that is no settings file but names parts too: it is trusted, or names no code.

    Args:
        data: its contents, which `table` was read from.
        trusted: whether the user said `--trust`.

    Returns:
        The file, as long as it is not trusted.

    Raises:
        ConfigError: it names code, and is not trusted.
    """
    file = SettingsFile.of(path, data, CONFIG)
    if trusted:
        trust(file)
    if trusted or is_trusted(file):
        return None
    for refused in harmful(file, table):
        raise file.refusal(*refused)
    return file


def is_near(out: Path, file: SettingsFile) -> bool:
    """Whether a file may have runs written there: in this folder, its own, or that of its run."""
    near = [Path.cwd(), file.path.parent]
    if file.rank == RUN:
        near.append(file.path.parent.parent)
    return any(out.resolve().is_relative_to(folder.resolve()) for folder in near)


def harmful(
    file: SettingsFile, table: Mapping[str, JsonValue]
) -> Iterator[tuple[str, JsonValue, str]]:
    """What would run code, or be written where a file may not have it: the key at any depth, its
    value, and why.

    A file may have runs written in this folder, in its own, or beside its run.
    """
    yield from ((key, code, CODE) for key, code in named_code(table))
    yield from ((key, graph, _NODES) for key, graph in named_workflows(table))
    for key, last, value in all_settings(table):
        if last == "out" and isinstance(value, str) and not is_near(require_path(value), file):
            yield key, value, "it is outside of this folder"
        elif last == "log" and value is not None:
            yield key, value, "prompts would be written there, at the end of what is there already"


CODE: Final = "it would run code"
_NODES: Final = "its nodes would run in your ComfyUI"


def _store() -> Path:
    return own_folder() / "state" / "trusted.json"


def _read() -> dict[str, str]:
    path = _store()
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"what you trust cannot be read: {error}") from error
    require_own(path)
    try:
        return _TABLE.validate_json(text)
    except ValidationError:
        raise ConfigError(f"{str(path)!r} is damaged: delete it, and trust again") from None
