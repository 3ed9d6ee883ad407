"""The journal: one JSON line per finished item, on disk before anything builds on it.

A line that was being written when the process died is cut off on the next opening: its item is
owed again. Nothing is ever rewritten.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Literal

from rr_refine.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import JsonValue

__all__ = ["ItemKind", "Journal"]

ItemKind = Literal["render", "critique", "comparison", "rewrite", "review", "round", "outcome"]


class Journal:
    """An append-only file of items, addressed by kind and key.

    Args:
        path: the file; created when missing.
        writable: False opens for reading: no torn line is mended, nothing can be added.

    Raises:
        StoreError: the file cannot be read, or a line other than the last is broken.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self._path = path
        self._items: dict[tuple[str, str], JsonValue] = {}
        whole = self._read()
        self._file = None
        if writable:
            try:
                self._file = path.open("ab")
                self._file.truncate(whole)
            except OSError as error:
                raise StoreError(f"cannot write {path.name}: {error}") from error

    def get(self, kind: ItemKind, key: str) -> JsonValue | None:
        """The finished item, or None if it is still owed."""
        return self._items.get((kind, key))

    def items(self, kind: ItemKind) -> Iterator[tuple[str, JsonValue]]:
        """All finished items of a kind, as (key, value), in the order they were first written."""
        for (item_kind, key), value in self._items.items():
            if item_kind == kind:
                yield key, value

    def put(self, kind: ItemKind, key: str, value: JsonValue) -> None:
        """Write a finished item; returns when it is on disk.

        Raises:
            StoreError: it could not be written, for instance because the disk is full. The file
                is as it was before.
        """
        if self._file is None:
            raise StoreError(f"{self._path.name} is open for reading only")
        line = json.dumps({"kind": kind, "key": key, "value": value}, allow_nan=False) + "\n"
        start = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(line.encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._take_back(start)
            raise StoreError(f"cannot write {self._path.name}: {error}") from error
        self._items[kind, key] = value

    def close(self) -> None:
        """Close the file; reading stays possible."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take_back(self, start: int) -> None:
        """Drop a half-written line, buffered or not, so that the next one starts clean."""
        os.truncate(self._path, start)
        try:
            self.close()  # tries to flush what is buffered, and may fail again
        except OSError:
            os.truncate(self._path, start)
        self._file = self._path.open("ab")

    def _read(self) -> int:
        """Read all whole lines; returns the length in bytes up to the last one."""
        if not self._path.exists():
            return 0
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                item = json.loads(line)
                self._items[item["kind"], item["key"]] = item["value"]
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(
                    f"line {number} of {self._path} is no journal item: {error}; "
                    "restore the file or remove that line"
                ) from error
        return whole
