"""The user's copies of official files, read; and files for the official scripts, written."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError, StoreError
from rr_refine.files import parse_json, replace_file
from rr_refine.files import read_file as read_bounded
from rr_refine.foreign_python import parse_source
from rr_refine.invalid import told_invalid
from rr_refine.named import read_named
from rr_refine.pictures import check_picture

__all__ = [
    "DEPTH",
    "find_file",
    "find_root",
    "folders",
    "format_text",
    "has_contents",
    "keep_picture",
    "parse_python",
    "picture_trouble",
    "read_file",
    "read_json",
    "read_lines",
    "require_file",
    "write_file",
]

DEPTH: Final = 2
"""Levels of folders below the one that is given."""


T = TypeVar("T")
RowT = TypeVar("RowT", bound=BaseModel)


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


def require_file(data: Path, name: str, hint: str) -> Path:
    """`data` where it is a file, or the first file of this name in that folder.

    Args:
        hint: what to give instead.

    Raises:
        ConfigError: there is none; or as `folders`.
    """
    if data.is_file():
        return data
    if found := find_file(data, [name]):
        return found
    raise ConfigError(f"{str(data)!r} has no {name}, nor up to {DEPTH} folders down: {hint}")


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


def read_file(path: Path) -> bytes:
    """A file's content.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return read_named(path)
    except OSError as error:
        raise ConfigError(f"cannot read {str(path)!r}: {error.strerror or error}") from error


def read_json(path: Path, form: type[T]) -> tuple[T, str]:
    """A JSON file's value, and the file's sha256.

    Args:
        form: the type of the value.

    Raises:
        ConfigError: it cannot be read, or is not of this form.
    """
    data = read_file(path)
    try:
        value = TypeAdapter(form).validate_python(parse_json(data, nan=True))
    except ValidationError as error:
        raise ConfigError(
            f"{str(path)!r} is not of the expected form: {told_invalid(error)}"
        ) from None
    except ValueError as error:
        raise ConfigError(f"{str(path)!r} is no JSON: {error}") from error
    return value, hashlib.sha256(data).hexdigest()


def read_lines(path: Path, row: type[RowT], otherwise: str) -> Iterator[tuple[RowT, bytes]]:
    """The lines of a file of JSON lines, each read, and as it stands there without its end. Blank
    ones at the end are left out.

    Args:
        otherwise: what to say of a line that is no such row: `is not of the published form`.

    Raises:
        ConfigError: the file cannot be read, or a line is no such row.
    """
    with raised_as(ConfigError, f"{str(path)!r} cannot be read"):
        lines = read_named(path).splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, 1):
        try:
            yield row.model_validate_json(line), line
        except ValidationError as error:
            raise ConfigError(
                f"line {number} of {str(path)!r} {otherwise}: {told_invalid(error)}"
            ) from None


def parse_python(path: Path) -> tuple[ast.Module, str]:
    """A Python file, parsed and never run, and its sha256.

    Raises:
        ConfigError: it cannot be read, or is no Python.
    """
    data = read_file(path)
    with raised_as(ConfigError, f"{str(path)!r} is no Python file", SyntaxError):
        return parse_source(data), hashlib.sha256(data).hexdigest()


def format_text(node: ast.AST) -> str | None:
    """A text or f-string of a Python file, as a text for `str.format`: its fields are the
    expressions of the f-string. None where it is neither, or lays out a value in its own way.
    """
    if isinstance(node, ast.JoinedStr):
        try:
            return "".join(map(_piece, node.values))
        except (ValueError, RecursionError):
            return None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def _piece(node: ast.expr) -> str:
    """A part of an f-string: a text with its braces doubled, or a field.

    Raises:
        ValueError: a field with a conversion or a format.
        RecursionError: too deep an expression.
    """
    if isinstance(node, ast.FormattedValue):
        if node.format_spec is not None or node.conversion != -1:
            raise ValueError("it says how it is laid out")
        return f"{{{ast.unparse(node.value)}}}"
    assert isinstance(node, ast.Constant)
    return str(node.value).replace("{", "{{").replace("}", "}}")


def keep_picture(data: bytes, folder: Path, name: str) -> Path:
    """Put a picture that came inside of another file into a folder, unless it is there already.

    Bytes that are no picture are put there as well, as `<name>.broken`: their item fails when its
    turn comes, and no other.

    Args:
        name: of its file, without the ending, which is that of its format.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        kind = check_picture(data).lower()
    except ValueError:
        kind = "broken"
    path = folder / f"{name}.{'jpg' if kind == 'jpeg' else kind}"
    if not has_contents(path, data):
        write_file(path, data, within=folder.parents[1])  # OUT/data/sources
    return path


def has_contents(path: Path, data: bytes) -> bool:
    """Whether a file holds just that; somebody else may have made it, of any size and kind."""
    try:
        return read_bounded(path, limit=len(data)) == data
    except OSError:
        return False


def write_file(path: Path, data: bytes, *, within: Path | None = None) -> None:
    """Write a file that can be made again.

    Args:
        within: see `rr_refine.files`.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        replace_file(path, data, durable=False, within=within)
    except OSError as error:
        raise StoreError(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def picture_trouble(folder: Path, name: str, *, any_kind: bool = False) -> str | None:
    """What is wrong with a picture that should be a PNG file, in a line; None if it is one.

    Args:
        name: below `folder`.
        any_kind: other formats will do.
    """
    path = folder / name
    if not path.is_file():
        others = [p.name for p in sorted(path.parent.glob(f"{path.stem}.*"))]
        return f"{name} is missing" + (f"; {others[0]} is not looked for" if others else "")
    try:
        kind = check_picture(path, whole=True)
    except (ValueError, OSError) as error:
        return f"{name} cannot be read: {error}"
    return None if any_kind or kind == "PNG" else f"{name} holds {kind}, not PNG"


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise ConfigError(f"cannot read {str(folder)!r}: {error.strerror or error}") from error
