"""Recipes of trainings: TOML files that people can read, some of which the package carries."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from rr_refine.errors import ConfigError
from rr_refine.files import parse_json, read_file
from rr_refine.plugins import did_you_mean
from rr_refine.terms import Record

__all__ = ["first_change", "read_recipe", "recipe_names"]

RecipeT = TypeVar("RecipeT", bound=Record)


def recipe_names(folder: Traversable) -> list[str]:
    """Names of the recipes in a folder of the package."""
    names = [Path(entry.name) for entry in folder.iterdir()]
    return sorted(name.stem for name in names if name.suffix == ".toml")


def read_recipe(
    kind: type[RecipeT],
    folder: Traversable,
    name: str | Path,
    changes: Mapping[str, JsonValue] | None = None,
) -> RecipeT:
    """Read a recipe. Its paths are relative to the current folder.

    Args:
        kind: what it is read as.
        folder: of the built-in ones.
        name: a built-in recipe's name, or a TOML file.
        changes: fields to replace, before anything is checked.

    Raises:
        ConfigError: there is no such recipe, or something in it is unknown or out of range.
    """
    try:
        fields = tomllib.loads(_text(folder, name))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"recipe {str(name)!r} is not valid TOML: {error}") from error
    fields |= changes or {}
    unknown = [key for key in fields if key not in kind.model_fields]
    if unknown:
        hint = did_you_mean(unknown[0], list(kind.model_fields))
        raise ConfigError(f"recipe {str(name)!r} has the unknown field {unknown[0]!r}{hint}")
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"recipe {str(name)!r}: {where}: {first['msg']}") from None


def first_change(file: Path, now: Mapping[str, JsonValue]) -> tuple[str, JsonValue] | None:
    """The first field in which a training differs from the one that `file` (`recipe.json`) tells
    of, and what it was there; None if none does.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        before = parse_json(read_file(file))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(file)!r} cannot be read: {error}") from error
    if not isinstance(before, dict):
        raise ConfigError(f"{str(file)!r} holds no recipe")
    changed = (key for key, value in now.items() if before.get(key) != value)
    return next(((key, before.get(key)) for key in changed), None)


def _text(folder: Traversable, name: str | Path) -> str:
    names = recipe_names(folder)
    if isinstance(name, str) and name in names:
        return (folder / f"{name}.toml").read_text("utf-8")
    try:
        return Path(name).read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no recipe {str(name)!r}; there are {', '.join(names)}, or give a TOML file"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"recipe {str(name)!r} cannot be read: {error}") from error
