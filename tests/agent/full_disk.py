"""A disk that fills up: files opened by `rr_refine.files` share a number of bytes."""

from __future__ import annotations

import errno
import io
import os
from typing import Any

import pytest
from typing_extensions import Buffer

__all__ = ["FullDisk"]


class FullDisk:
    """Lets `room` bytes be written, then fails every write as a full disk does: in the middle."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self.hits = 0
        disk = self

        class File(io.FileIO):
            def write(self, data: Buffer, /) -> int:
                return disk.write(super().write, bytes(data))

        real = os.fdopen

        def open_(fd: int, mode: str = "r", buffering: int = -1) -> Any:
            if not set(mode) & set("w+"):
                return real(fd, mode, buffering)
            file = File(fd, mode)
            return file if buffering == 0 else io.BufferedWriter(file)

        monkeypatch.setattr(os, "fdopen", open_)

    def write(self, write: Any, data: bytes) -> int:
        if self.room <= 0 and data:
            self.hits += 1
            raise OSError(errno.ENOSPC, "No space left on device")
        written: int = write(data[: self.room])
        self.room -= written
        return written
