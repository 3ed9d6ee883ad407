"""Files that several readers and writers share: replaced as a whole, or locked."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from rr_refine.errors import StoreError, StoreLockedError

__all__ = ["locked", "replace_file", "replacing"]


@contextmanager
def replacing(path: Path, *, durable: bool) -> Iterator[BinaryIO]:
    """A file to write to, which becomes `path` when the block ends: all or nothing.

    No reader ever sees half of it, and a crash leaves the old file or the new one. The folder is
    created when missing.

    Args:
        durable: the contents are on disk (fsync) before `path` changes; not needed for what can be
            made again.

    Raises:
        OSError: it could not be written; `path` is as it was before.
    """
    # A name of its own: two threads may write the same file at once.
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def replace_file(path: Path, data: bytes, *, durable: bool) -> None:
    """Write `data` to `path`; see `replacing`."""
    with replacing(path, durable=durable) as file:
        file.write(data)


@contextmanager
def locked(path: Path, lock: Path) -> Iterator[None]:
    """Keep other processes, and other threads of this one, away from `path` during the block.

    Args:
        path: what is worked on, for the messages.
        lock: the file that is locked; it and its folder are created when missing, and it stays.

    Raises:
        StoreLockedError: somebody else has it; this is said at once.
        StoreError: it cannot be created or locked.
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held.acquire(timeout=0)
    except Timeout:
        raise StoreLockedError(
            f"another process works on {path}; wait for it, or work on a copy"
        ) from None
    except OSError as error:
        raise StoreError(f"cannot lock {str(path)!r}: {error}") from error
    try:
        yield
    finally:
        held.release()
