"""A file of lines that is only ever added to, and survives a crash and a full disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from rr_refine.files import open_file

__all__ = ["MAX_LINE", "LineFile", "each_line", "read_lines"]

MAX_LINE: Final = 16 * 2**20
"""Most bytes of a line."""
_MAX_TOTAL: Final = 4 * 2**30
"""Most bytes of a file."""
_LEAST: Final = 128
_BLOCK: Final = 2**16


def read_lines(
    path: Path, *, within: Path | None = None, limit: int = _MAX_TOTAL
) -> Iterator[bytes]:
    """The whole lines of a file, without their ends, as they are read; none if there is no file.

    A last line without an end was being written when the process died; it is left out.

    Args:
        within: see `rr_refine.files`.
        limit: see `each_line`.

    Raises:
        OSError: the file cannot be read, or is no regular one; a limit was passed.
    """
    try:
        file = open_file(path, within=within)
    except FileNotFoundError:
        return
    with file:
        for line, _ in each_line(file, limit):
            yield line


def each_line(file: BinaryIO, limit: int = _MAX_TOTAL) -> Iterator[tuple[bytes, int]]:
    """The whole lines that follow, without their ends, and where each begins, in bytes.

    Args:
        limit: most bytes in all; a short line counts as 128, since it takes as long to read.

    Raises:
        OSError: the file cannot be read; a line has more than `MAX_LINE` bytes, or all have more
            than `limit`.
    """
    offset, number, cost = file.tell(), 0, 0
    while (line := file.readline(MAX_LINE + 1)).endswith(b"\n"):
        cost += max(len(line), _LEAST)
        if cost > limit:
            raise OSError(f"more than {limit:,} bytes of lines")
        yield line[:-1], offset
        offset, number = offset + len(line), number + 1
    if len(line) > MAX_LINE:
        raise OSError(f"line {number + 1} is longer than {MAX_LINE:,} bytes")


class LineFile:
    """A file open for adding lines; created when missing, a torn last line is cut off.

    Args:
        within: see `rr_refine.files`.

    Raises:
        OSError: the file cannot be opened, or is no regular one; its torn last line has more than
            `MAX_LINE` bytes, as no line of ours has.
    """

    def __init__(self, path: Path, *, within: Path | None = None) -> None:
        # Unbuffered: what a failed write left in a buffer would be written by closing the file.
        self._file = open_file(path, "rb+", within=within)
        try:
            self._file.truncate(self._end())
        except OSError:
            self.close()
            raise

    def _end(self) -> int:
        """Where the last whole line ends."""
        at = self._file.seek(0, os.SEEK_END)
        least = max(0, at - MAX_LINE - 1)
        while at > least:
            start = max(0, at - _BLOCK)
            self._file.seek(start)
            if (found := self._file.read(at - start).rfind(b"\n")) >= 0:
                return start + found + 1
            at = start
        if at:
            raise OSError(f"its last line is longer than {MAX_LINE:,} bytes")
        return 0

    def append(self, line: bytes, *, sync: bool) -> None:
        """Add a line, given without its end. With `sync` it is on disk on return.

        Raises:
            OSError: it could not be written, for instance because the disk is full, or has more
                than `MAX_LINE` bytes and could not be read. The file is as it was before.
        """
        if len(line) > MAX_LINE:
            raise OSError(f"a line of {len(line):,} bytes is longer than {MAX_LINE:,}")
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
