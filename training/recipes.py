"""Recipes of trainings: TOML files that people can read, some of which the package carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeAlias, TypeVar

from pydantic import JsonValue, ValidationError

from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError
from rr_refine.files import parse_json, read_file
from rr_refine.invalid import told_invalid
from rr_refine.named import read_named
from rr_refine.plugins import did_you_mean
from rr_refine.terms import Record
from rr_refine.toml_text import MAX_SETTINGS, parse_toml

__all__ = ["RecipeCheck", "first_change", "read_recipe", "recipe_names"]

RecipeT = TypeVar("RecipeT", bound=Record)
RecipeCheck: TypeAlias = Callable[[Path, bytes, Mapping[str, JsonValue]], None]


def recipe_names(folder: Traversable) -> list[str]:
    """Names of the recipes in a folder of the package."""
    names = [Path(entry.name) for entry in folder.iterdir()]
    return sorted(name.stem for name in names if name.suffix == ".toml")


def read_recipe(
    kind: type[RecipeT],
    folder: Traversable,
    name: str | Path,
    changes: Mapping[str, JsonValue] | None = None,
    check: RecipeCheck | None = None,
) -> RecipeT:
    """Read a recipe. Its paths are relative to the current folder.

    Args:
        kind: what it is read as.
        folder: of the built-in ones.
        name: a built-in recipe's name, or a TOML file.
        changes: fields to replace, before anything is checked.
        check: called with the path, contents and fields of a file that is none of the built-in
            ones; what it raises is raised.

    Raises:
        ConfigError: there is no such recipe, or something in it is unknown or out of range.
    """
    names = recipe_names(folder)
    built_in = isinstance(name, str) and name in names
    try:
        if built_in:
            data = (folder / f"{name}.toml").read_bytes()
        else:
            data = read_named(Path(name), MAX_SETTINGS)
    except FileNotFoundError:
        raise ConfigError(
            f"there is no recipe {str(name)!r}; there are {', '.join(names)}, or give a TOML file"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"recipe {str(name)!r} cannot be read: {error}") from error
    with raised_as(ConfigError, f"recipe {str(name)!r} is not valid TOML", ValueError):
        fields = parse_toml(data)
    if check is not None and not built_in:
        check(Path(name), data, fields)
    fields = {**fields, **(changes or {})}
    unknown = [key for key in fields if key not in kind.model_fields]
    if unknown:
        hint = did_you_mean(unknown[0], list(kind.model_fields))
        raise ConfigError(f"recipe {str(name)!r} has the unknown field {unknown[0]!r}{hint}")
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(f"recipe {str(name)!r}: {told_invalid(error)}") from None


def first_change(file: Path, now: Mapping[str, JsonValue]) -> tuple[str, JsonValue] | None:
    """The first field in which a training differs from the one that `file` (`recipe.json`) tells
    of, and what it was there; None if none does.

    Raises:
        ConfigError: the file cannot be read.
    """
    with raised_as(ConfigError, f"{str(file)!r} cannot be read", OSError, ValueError):
        before = parse_json(read_file(file))
    if not isinstance(before, dict):
        raise ConfigError(f"{str(file)!r} holds no recipe")
    changed = (key for key, value in now.items() if before.get(key) != value)
    return next(((key, before.get(key)) for key in changed), None)
