"""A file of lines that is only ever added to, and survives a crash and a full disk."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["LineFile", "read_lines"]


def read_lines(path: Path) -> list[bytes]:
    """The whole lines of a file, without their ends; none if there is no file.

    A last line without an end was being written when the process died; it is left out.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    return data.split(b"\n")[:-1]


class LineFile:
    """A file open for adding lines; created when missing, a torn last line is cut off.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        # Unbuffered: what a failed write left in a buffer would be written by closing the file.
        self._file = path.open("ab", buffering=0)
        try:
            self._file.truncate(sum(len(line) + 1 for line in read_lines(path)))
        except OSError:
            self.close()
            raise

    def append(self, line: bytes, *, sync: bool) -> None:
        """Add a line, given without its end. With `sync` it is on disk on return.

        Raises:
            OSError: it could not be written, for instance because the disk is full. The file is
                as it was before.
        """
        start = self._file.seek(0, os.SEEK_END)
        rest = memoryview(line + b"\n")
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            if sync:
                os.fsync(self._file.fileno())
        except BaseException:
            self._file.truncate(start)
            raise

    def sync(self) -> None:
        """Wait until every line is on disk.

        Raises:
            OSError: it could not be written.
        """
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._file.close()
