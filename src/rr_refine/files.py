"""Files that are replaced as a whole: no reader ever sees half of one."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

__all__ = ["replace_file"]


def replace_file(path: Path, data: bytes, *, durable: bool) -> None:
    """Write `data` to `path`, all or nothing; its folder is created when missing.

    Args:
        durable: wait until it is on disk; not needed for what can be made again.

    Raises:
        OSError: it could not be written; `path` is as it was before.
    """
    # A name of its own: two threads may write the same file at once.
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
