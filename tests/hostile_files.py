"""Files that somebody put into a folder of ours to do harm."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["HOSTILE", "SECRET"]

SECRET: Final = b"the neighbour's key\n"


def _link(path: Path) -> None:
    target = path.parent / "aside"
    target.write_bytes(SECRET)
    path.symlink_to(target)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**30)  # it takes no room


HOSTILE: Final[dict[str, Callable[[Path], object]]] = {
    "deep": lambda path: path.write_bytes(b"[" * 1_000 + b"]" * 1_000 + b"\n"),
    "deep object": lambda path: path.write_bytes(b'{"a":' * 1_000 + b"1" + b"}" * 1_000 + b"\n"),
    "line of a gigabyte": _huge,
    "pipe": os.mkfifo,
    "link": _link,
    "link to nothing": lambda path: path.symlink_to(path.parent / "nothing"),
    "folder": Path.mkdir,
    "no text": lambda path: path.write_bytes(b"\xff\xfe\0\n"),
    "nan": lambda path: path.write_bytes(b'{"read": NaN}\n'),
}
"""Makes what is at a path, by what it is. Each is refused in words and at once."""
