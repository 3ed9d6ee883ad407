"""Layers of settings as they are read: files and the environment, by dotted key."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from rr_refine.boundary import raised_as
from rr_refine.cli.trust import RUN, SettingsFile, own_file, require_own
from rr_refine.errors import ConfigError
from rr_refine.files import parse_json
from rr_refine.local_path import expand_home
from rr_refine.named import read_named
from rr_refine.toml_text import MAX_SETTINGS, parse_toml, require_plain

__all__ = [
    "COMMAND_LINE",
    "ENVIRONMENT_PREFIX",
    "from_environment",
    "is_project_file",
    "own_layer",
    "place_workflow",
    "read_file",
    "value_of",
    "variable_of",
]

COMMAND_LINE: Final = "command line"
"""The source of what a flag says."""
ENVIRONMENT_PREFIX: Final = "RR_REFINE_"
_OF_SERVER: Final = "RR_REFINE_SERVER_"
"""Variables of whoever runs the graph in a LangGraph server: see `rr_refine.agent.server`."""
_WORKFLOW: Final = "generator.workflow"


def value_of(text: str) -> JsonValue:
    """A number, true, false, null or JSON; anything else is text as it is."""
    try:
        value = parse_json(text)
        require_plain({"": value})
    except ValueError:
        return text
    return value


def from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, JsonValue, str]]:
    """Key, value and variable of the settings in an environment.

    Raises:
        ConfigError: one names a file by less than its whole path.
    """
    # `…__USE` first: it drops the options of another component.
    for name in sorted(environment, key=lambda n: (not n.endswith("__USE"), n)):
        if name.startswith(ENVIRONMENT_PREFIX) and not name.startswith(_OF_SERVER):
            key = name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
            value = value_of(environment[name])
            if key == _WORKFLOW and not expand_home(str(value or "/")).is_absolute():
                raise ConfigError(
                    f"{name}={value!r} must be a whole path: of that name, any folder that you are "
                    "in may have a workflow of its own; or give --set generator.workflow=…"
                )
            yield key, value, name


def is_project_file(path: Path) -> bool:
    """Whether this file is there, and is not the user's own by another name."""
    own = own_file()
    return path.is_file() and not (own.is_file() and own.samefile(path))


def own_layer() -> Mapping[str, JsonValue]:
    """The user's own settings, empty without such a file.

    Raises:
        ConfigError: it cannot be read, or somebody else may write it.
    """
    path = own_file()
    if not path.is_file():
        return {}
    require_own(path)
    settings = read_file(path, 0)[1]
    place_workflow(settings, path.parent)
    return settings


def own_settings() -> dict[str, JsonValue]:
    """What the user's own settings say, those of the environment over those of the file.

    Raises:
        ConfigError: see `own_layer` and `from_environment`.
    """
    return {**own_layer(), **{key: value for key, value, _ in from_environment(os.environ)}}


def place_workflow(settings: dict[str, JsonValue], folder: Path) -> None:
    """Give the workflow its whole path, beside the file that names it: the folder one is in may
    have its own of that name.

    Raises:
        ConfigError: it begins with a home folder that is not known.
    """
    if isinstance(workflow := settings.get(_WORKFLOW), str):
        settings[_WORKFLOW] = str(folder / expand_home(workflow))


def read_file(path: Path, rank: int) -> tuple[SettingsFile, dict[str, JsonValue], JsonValue]:
    """A file of settings, its settings by dotted key, and its contents as they are.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    with raised_as(ConfigError, f"config file {str(path)!r} cannot be read", OSError, ValueError):
        data = read_named(path, MAX_SETTINGS)
        table = parse_json(data) if path.suffix == ".json" else parse_toml(data)
        if not isinstance(table, dict):
            raise ConfigError(f"config file {str(path)!r} holds no table of settings")
        require_plain(table)
    if path.suffix == ".json" and isinstance(settings := table.get("settings"), dict):
        return SettingsFile.of(path, data, RUN), settings, table  # a run's, flat already
    return SettingsFile.of(path, data, rank), dict(_flat(table)), table


def _flat(table: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    for key, value in table.items():
        # Tables of tables only for rewriters: [rewriter.llm]. Others are values of an option.
        if isinstance(value, dict) and (not prefix or prefix == "rewriter."):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def variable_of(key: str) -> str:
    """The environment variable of a key."""
    return ENVIRONMENT_PREFIX + key.upper().replace(".", "__")
