"""Files and folders that somebody named by a path: the user, a file of settings, or a default.

What a link leads to is meant, unlike inside of a folder of ours (`rr_refine.files`). A pipe, which
would wait for its writer, and a device, which never ends, are refused.

Not meant is what data names outside of its folder: nobody has looked which pictures its rows would
have sent to generators and judges.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable
from io import BufferedReader
from pathlib import Path
from typing import Final, cast

from rr_refine.errors import ConfigError
from rr_refine.files import open_file, read_file, require_inside
from rr_refine.local_path import expand_home, require_local

__all__ = [
    "allow_pictures",
    "below",
    "folder_here",
    "open_named",
    "picture_of_data",
    "read_named",
    "require_ours",
    "require_path",
]

MAX_NAMED: Final = 2**31
"""Most bytes of a file of data that is read as a whole."""

_DEEP: Final = 32
"""Most folders within each other that a client names: each is looked at, or made."""

_picture_folders: tuple[Path, ...] = ()


def folder_here(path: Path | str) -> Path:
    """The path of a folder that nobody chose for this call: a default, or a name in a file.

    A relative one is meant to be in the folder that we are in, which may be a project from
    elsewhere with a link in that place. A `..` in the path, or an absolute one, is as it is said.

    Raises:
        ConfigError: a link leads out of the folder that we are in; or as `require_path`.
    """
    path, here = require_path(path), _real(Path())
    said, real = Path(os.path.normpath(here / path)), _real(here / path)
    if not path.is_absolute() and real != said and not real.is_relative_to(here):
        raise ConfigError(
            f"{str(path)!r} leads to {str(real)!r} by a link, and nobody named that place: if it "
            "is right, give it by --out or as a whole path"
        )
    return path


def require_ours(
    folder: Path, marks: Collection[str], beside: Collection[str] = (), way: str = "--out"
) -> None:
    """A folder that is given to be written in must be empty or missing, or one of ours.

    Args:
        marks: files below it of which ours has at least one.
        beside: what else may be in it before there is any of them.
        way: what another folder is given by.

    Raises:
        ConfigError: it holds other things, among which ours would stand or which they would
            replace.
    """
    try:
        held = {path.name for path in folder.iterdir()} - {*beside}
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"{str(folder)!r} cannot be read: {error.strerror}") from error
    if held and not any((folder / mark).is_file() for mark in marks):
        raise ConfigError(
            f"{str(folder)!r} holds other files, such as {min(held)!r}: nothing was written; give "
            f"another {way}, or an empty folder"
        )


def require_path(path: Path | str) -> Path:
    """The path, where a file or folder can be called so; `~` at its beginning is expanded.

    Raises:
        ConfigError: it is none, is too long, holds what no name does, or is the address of a store.
    """
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"{path!r:.80} is no path")
    require_local(path)
    path = expand_home(path)
    try:
        os.lstat(path)
    except ValueError as error:  # a NUL, or half a character
        raise ConfigError(f"{str(path)!r:.80} is no path: {error}") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ConfigError(f"{error.strerror}: {str(path)!r:.80} …") from None
    return path


def below(root: Path, field: str, name: object) -> Path:
    """What a client names that may name files in one folder only. What opens or makes it refuses
    links on the way, see `within` of `rr_refine.files`.

    Args:
        root: a whole path, which the name may begin with.
        field: what the name is called in messages.

    Raises:
        ConfigError: it is no path, or leads elsewhere.
    """
    require_local(str(name))
    try:
        if not isinstance(name, str) or not name.isprintable() or name.count("/") > _DEEP:
            raise ValueError(f"{name!r} is no text, or none of a path")
        inside = str(Path(name).relative_to(root)) if Path(name).is_absolute() else name
        return require_path(root / require_inside(inside))
    except (ValueError, ConfigError):
        raise ConfigError(f"{field} = {name!r:.200} is no path below this server's root") from None


def allow_pictures(folders: Iterable[Path | str]) -> None:
    """Set where data may name pictures besides its own folder, in this process; nowhere by default.

    Raises:
        ConfigError: one is no whole path, which would be another folder elsewhere.
    """
    paths = [expand_home(folder) for folder in folders]
    for path in paths:
        if not path.is_absolute():
            raise ConfigError(f"picture_folders = {str(path)!r} must be a whole path, from / on")
    global _picture_folders
    _picture_folders = tuple(map(_real, paths))


def picture_of_data(folder: Path, name: str) -> Path:
    """The path of a picture that a file of data names.

    It must lead into the folder of the data, by links too, or into one of `allow_pictures`. In
    the hub's cache, files are links to those in `blobs`.

    Raises:
        ConfigError: it leads elsewhere.
    """
    path, home = folder / name, _real(folder)
    try:
        real = _real(path)
    except ValueError:
        raise ConfigError(f"the data names a picture {name!r}, which is no path") from None
    cache = home.parents[1] / "blobs" if home.parent.name == "snapshots" else home
    if not any(real.is_relative_to(each) for each in (home, cache, *_picture_folders)):
        raise ConfigError(
            f"data in {str(folder)!r} names the picture {name!r}: it leads to {str(real)!r}, "
            "outside of it, and would be sent to models; if that is right, name its folder in "
            "your own setting picture_folders (environment: RR_REFINE_PICTURE_FOLDERS)"
        )
    return path


def open_named(path: Path) -> BufferedReader:
    """Open a file that the user, or a file of settings, named by its path: links are followed.

    Raises:
        FileNotFoundError: it does not exist.
        OSError: it cannot be opened; it is a pipe, which would wait for its writer, or a device.
    """
    return cast("BufferedReader", open_file(_real(path)))


def read_named(path: Path, limit: int = MAX_NAMED) -> bytes:
    """The contents of such a file, see `open_named`.

    Raises:
        OSError: it cannot be read; it is larger than `limit` bytes.
    """
    return read_file(_real(path), limit=limit)


def _real(path: Path) -> Path:
    # Not `Path.resolve`: of a link to itself it raises a RuntimeError, and opening it an OSError.
    return Path(os.path.realpath(path))
