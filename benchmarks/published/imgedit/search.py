"""Finding things in the user's copy of a benchmark, whose folders differ from source to source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from rr_refine.errors import ConfigError

__all__ = ["DEPTH", "find_file", "find_root", "folders", "read_json"]

DEPTH: Final = 2
"""Levels of folders below the one that is given."""


T = TypeVar("T")


def folders(data: Path) -> Iterator[Path]:
    """`data`, or the folder of that file, and the folders below, the least deep first.

    Raises:
        ConfigError: there is no such path, or a folder cannot be read.
    """
    if not data.exists():
        raise ConfigError(f"{str(data)!r} does not exist")
    level = [data if data.is_dir() else data.parent]
    yield from level
    for _ in range(DEPTH):
        level = [path for folder in level for path in _folders_in(folder)]
        yield from level


def find_file(data: Path, names: Sequence[str]) -> Path | None:
    """The first file of one of these names.

    Raises:
        ConfigError: as `folders`.
    """
    paths = (folder / name for folder in folders(data) for name in names)
    return next((path for path in paths if path.is_file()), None)


def find_root(data: Path, pictures: Collection[str], hint: str) -> Path:
    """The folder below which the original pictures are.

    Args:
        pictures: that must all be there, one at least.
        hint: where they can be had.

    Raises:
        ConfigError: no folder has them all; or as `folders`.
    """
    fewest: tuple[Path, list[str]] | None = None
    for folder in folders(data):
        missing = [picture for picture in pictures if not (folder / picture).is_file()]
        if not missing:
            return folder
        if fewest is None or len(missing) < len(fewest[1]):
            fewest = folder, missing
    assert fewest is not None
    raise ConfigError(
        f"the original pictures are not all in one folder of {str(data)!r}: of {len(pictures)}, "
        f"{str(fewest[0])!r} lacks {len(fewest[1])}, such as {fewest[1][0]!r}; {hint}"
    )


def read_json(path: Path, form: type[T]) -> tuple[T, str]:
    """A JSON file's value, and the file's sha256.

    Args:
        form: the type of the value.

    Raises:
        ConfigError: it cannot be read, or is not of this form.
    """
    try:
        data = path.read_bytes()
        value = TypeAdapter(form).validate_python(json.loads(data))
    except OSError as error:
        raise ConfigError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise ConfigError(
            f"{str(path)!r} is not of the expected form: {place}: {first['msg']}"
        ) from None
    except ValueError as error:
        raise ConfigError(f"{str(path)!r} is no JSON: {error}") from error
    return value, hashlib.sha256(data).hexdigest()


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise ConfigError(f"cannot read {str(folder)!r}: {error.strerror or error}") from error
