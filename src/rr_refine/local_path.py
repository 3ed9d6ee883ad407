"""Paths of this machine: what is an address of a store is none, and `~` is somebody's home."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from rr_refine.errors import ConfigError

__all__ = ["expand_home", "require_local"]

# With one slash, too: so a `Path` writes it. Chained ones of fsspec begin with `name::`.
_ADDRESS: Final = re.compile(r"(?:[A-Za-z][\w+.-]*::)*([A-Za-z][\w+.-]*):(?:(/.*)|$)", re.DOTALL)


def require_local(path: os.PathLike[str] | str) -> None:
    """Refuse an address such as `s3://bucket/runs`, which would become a folder called `s3:`.

    Raises:
        ConfigError: it is one; says why, and what to do.
    """
    found = _ADDRESS.match(str(path))
    if found is None:
        return
    text = re.sub(r":/+", "://", str(path), count=1)
    if found[1].lower() == "file":
        raise ConfigError(f"{text!r} is an address: give the path alone, from / on")
    raise ConfigError(
        f"{text!r} is the address of a store, and our folders need a file system: files in them "
        "are locked, added to and replaced at once, which stores cannot do. Give a folder of this "
        "machine, and copy it to the store when the work is done; or the path where the store is "
        "mounted, if its mount can do that (see docs/storage.md)"
    )


def expand_home(path: Path | str) -> Path:
    """The path, with the home folder in the place of `~` or `~user` at its beginning.

    Raises:
        ConfigError: there is neither such a home nor something of that name.
    """
    path = Path(path)
    try:
        return path.expanduser()
    except (RuntimeError, ValueError) as error:  # the second: no name at all
        if os.path.lexists(path):  # such as `~backup`
            return path
        raise ConfigError(
            f"{str(path)!r} begins with a home folder that is not known: {error}; give the whole "
            "path, from / on"
        ) from None
