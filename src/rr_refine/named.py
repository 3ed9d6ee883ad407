"""Files and folders that somebody named by a path: the user, a file of settings, or a default.

What a link leads to is meant, unlike inside of a folder of ours (`rr_refine.files`). A pipe, which
would wait for its writer, and a device, which never ends, are refused.
"""

from __future__ import annotations

import os
from io import BufferedReader
from pathlib import Path
from typing import Final, cast

from rr_refine.errors import ConfigError
from rr_refine.files import open_file, read_file

__all__ = ["folder_here", "open_named", "read_named"]

MAX_NAMED: Final = 2**31
"""Most bytes of a file of data that is read as a whole."""


def folder_here(path: Path | str) -> Path:
    """The path of a folder that nobody chose for this call: a default, or a name in a file.

    A relative one is meant to be in the folder that we are in, which may be a project from
    elsewhere with a link in that place. A `..` in the path, or an absolute one, is as it is said.

    Raises:
        ConfigError: a link leads out of the folder that we are in.
    """
    path, here = Path(path), _real(Path())
    said, real = Path(os.path.normpath(here / path)), _real(here / path)
    if not path.is_absolute() and real != said and not real.is_relative_to(here):
        raise ConfigError(
            f"{str(path)!r} leads to {str(real)!r} by a link, and nobody named that place: if it "
            "is right, give it by --out or as a whole path"
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
