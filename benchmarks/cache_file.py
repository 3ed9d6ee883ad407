"""The database of a cache, opened so that one from somebody else does no harm."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from rr_refine.boundary import raised_as
from rr_refine.errors import StoreError
from rr_refine.files import MAX_BYTES, holds_file

__all__ = ["open_items"]

_BESIDE: Final = ("", "-wal", "-shm", "-journal")
"""What SQLite adds to the name of its file for those that it opens."""
_ITEMS: Final = """CREATE TABLE items (
        kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)
    ) WITHOUT ROWID"""
"""As SQLite keeps it, word by word: nothing else is known to be a plain table."""


@contextmanager
def open_items(file: Path) -> Iterator[sqlite3.Connection]:
    """The table `items` of a database, created when missing. No value in it is longer than 16 MiB.

    Args:
        file: locked, in a folder that is no link.

    Raises:
        StoreError: it cannot be opened, is a link, has one beside it, or holds anything else, such
            as a view, which may have no end, or a trigger.
    """
    with raised_as(StoreError, f"cannot open {file}"):
        found = [end for end in _BESIDE if holds_file(Path(f"{file}{end}"))]
    if "-journal" in found:  # ours has none, and SQLite would remove a file that it names
        raise StoreError(
            f"{file} has a journal beside it: remove both, {file.name} and {file.name}-journal; "
            "what they held is made again"
        )
    with raised_as(StoreError, str(file), sqlite3.Error):
        items = sqlite3.connect(file, isolation_level=None)
    with closing(items):
        with raised_as(StoreError, str(file), sqlite3.Error):
            items.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
            schema = items.execute("SELECT type, name, sql FROM sqlite_master LIMIT 2").fetchall()
            if schema not in ([], [("table", "items", _ITEMS)]):
                raise StoreError(
                    f"{file} holds other tables, views or triggers than a cache: it is not read; "
                    "remove it, and what it held is made again"
                )
            items.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
            if not schema:
                items.execute(_ITEMS)
        yield items
