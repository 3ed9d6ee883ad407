"""A file of lines that is only ever added to, and survives a crash and a full disk."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from rr_refine.errors import StoreError
from rr_refine.files import open_file, replacing

__all__ = ["MAX_LINE", "FullError", "LineFile", "each_line", "read_lines", "write_lines"]

MAX_LINE: Final = 16 * 2**20
"""Most bytes of a line."""
_MAX_TOTAL: Final = 4 * 2**30
"""Most bytes of a file."""
_LEAST: Final = 1024
_PART: Final = 64
_BLOCK: Final = 2**16


class FullError(OSError):
    """A file of lines has as much as is read, or had more with one more line."""


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
        if limit < _MAX_TOTAL:  # nobody reads most of it to learn that it is too much
            for _ in each_line(file, limit):
                pass
            file.seek(0)
        for line, _ in each_line(file, limit):
            yield line


def write_lines(path: Path, lines: Iterable[str], *, within: Path | None = None) -> None:
    """Write a file that can be made again, so that there is the old one or the new one.

    Args:
        lines: without their ends.
        within: see `rr_refine.files`.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        with replacing(path, durable=False, within=within) as file:
            file.writelines(f"{line}\n".encode() for line in lines)
    except OSError as error:
        raise StoreError(f"cannot write {str(path)!r}: {error}") from error


def each_line(file: BinaryIO, limit: int = _MAX_TOTAL) -> Iterator[tuple[bytes, int]]:
    """The whole lines that follow, without their ends, and where each begins, in bytes.

    Args:
        limit: most bytes in all, as they count in memory and time: a short line counts as 1,024
            bytes, and each value of a JSON line as 64 more.

    Raises:
        OSError: the file cannot be read; a line has more than `MAX_LINE` bytes, or all have more
            than `limit`.
    """
    offset, number, cost = file.tell(), 0, 0
    while (line := file.readline(MAX_LINE + 1)).endswith(b"\n"):
        cost += _cost(line)
        if cost > limit:
            raise FullError(f"more than {limit:,} bytes of lines")
        yield line[:-1], offset
        offset, number = offset + len(line), number + 1
    if len(line) > MAX_LINE:
        raise OSError(f"line {number + 1} is longer than {MAX_LINE:,} bytes")


def _cost(line: bytes) -> int:
    parts = sum(map(line.count, (b",", b"[", b"{")))
    return max(len(line), _LEAST) + _PART * parts


class LineFile:
    """A file open for adding lines; created when missing. A torn last line is cut off when the next
    one is added, and not before: the file may be somebody else's, and opened by mistake.

    Args:
        within: see `rr_refine.files`.
        limit: most bytes in all, as those who read it count them, see `each_line`.

    Raises:
        OSError: the file cannot be opened, or is no regular one; a line has more than `MAX_LINE`
            bytes, as no line of ours has.
    """

    def __init__(self, path: Path, *, within: Path | None = None, limit: int = _MAX_TOTAL) -> None:
        self._limit = limit
        # Unbuffered: what a failed write left in a buffer would be written by closing the file.
        self._file = open_file(path, "rb+", within=within)
        try:
            self._end, self._cost = self._whole()
        except OSError:
            self.close()
            raise

    def _whole(self) -> tuple[int, int]:
        """Where the last whole line ends, and what the lines so far count. To a file that is full
        nothing is added, and so it stays as it is.
        """
        end = cost = 0
        buffered = io.BufferedReader(cast("io.FileIO", self._file), _BLOCK)
        try:
            for line, start in each_line(buffered, self._limit):
                end, cost = start + len(line) + 1, cost + _cost(line + b"\n")
        except FullError:
            return os.fstat(self._file.fileno()).st_size, self._limit
        finally:
            buffered.detach()
        return end, cost

    def append(self, line: bytes, *, sync: bool) -> None:
        """Add a line, given without its end. With `sync` it is on disk on return.

        Raises:
            FullError: nobody would read it: the file has as many bytes as are read.
            OSError: it could not be written, for instance because the disk is full, or has more
                than `MAX_LINE` bytes and could not be read. The file is as it was before.
        """
        if len(line) > MAX_LINE:
            raise OSError(f"a line of {len(line):,} bytes is longer than {MAX_LINE:,}")
        line += b"\n"
        cost = self._cost + _cost(line)
        if cost > self._limit:
            raise FullError(
                f"it is full: with this line it has {cost:,} bytes, and {self._limit:,} are the "
                "most that is read"
            )
        self._file.truncate(self._end)
        self._file.seek(self._end)
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            if sync:
                os.fsync(self._file.fileno())
        except BaseException:
            self._file.truncate(self._end)
            raise
        self._end, self._cost = self._end + len(line), cost

    def sync(self) -> None:
        """Wait until every line is on disk.

        Raises:
            OSError: it could not be written.
        """
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._file.close()
