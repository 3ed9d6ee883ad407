"""A terminal to run commands in: what they show is read, what is typed comes from the tests."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import time
from collections.abc import Callable
from pathlib import Path
from threading import Condition, Thread
from typing import Self

__all__ = ["Terminal", "visible"]

_MARK = b"\0"
"""What no program shows: what came before it has been read when it has been."""

_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[78])")
"""What the program may send: colours, the cursor's ways, bracketed paste."""


class Terminal:
    """A pseudo-terminal. Leave it as a context manager.

    Args:
        columns: width in characters.
        rows: height in characters.
    """

    def __init__(self, columns: int = 80, rows: int = 40) -> None:
        self._controller, self._own = pty.openpty()
        self.path = Path(os.ttyname(self._own))
        self.resize(columns, rows)
        self.modes = termios.tcgetattr(self._own)
        self._output = bytearray()
        self._read = 0
        self._marks = 0
        self._changed = Condition()
        self._reader = Thread(target=self._collect, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._own)  # with the last program gone, the reader comes to its end
        self._reader.join(10)
        os.close(self._controller)

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size; who is in front is told."""
        fcntl.ioctl(self._own, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._controller, text.encode())

    @property
    def output(self) -> str:
        """All that was shown so far, escape sequences included.

        A program can end before the last of its words have come through to the reader: a mark
        that is sent after them tells when all of them are there.
        """
        awaited = self._marks + 1
        os.write(self._own, _MARK)  # outside of the lock: the reader may have to make room first
        with self._changed:
            assert self._changed.wait_for(lambda: self._marks >= awaited, 60), self._tail()
            return self._output.decode(errors="replace")

    @property
    def is_sane(self) -> bool:
        """Echo and line modes are as they were, the cursor is to be seen, paste is plain."""
        shown, hidden = self.output.rfind("\x1b[?25h"), self.output.rfind("\x1b[?25l")
        plain, bracketed = self.output.rfind("\x1b[?2004l"), self.output.rfind("\x1b[?2004h")
        modes = termios.tcgetattr(self._own)
        return modes == self.modes and shown >= hidden and plain >= bracketed

    def until(self, words: str) -> str:
        """Wait for words that were not waited for before; gives what was shown up to them."""

        def found() -> int:
            return self._output.find(words.encode(), self._read)

        with self._changed:
            assert self._changed.wait_for(lambda: found() >= 0, 60), (words, self._tail())
            start, self._read = self._read, found() + len(words.encode())
            return self._output[start : self._read].decode(errors="replace")

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait for something else."""
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, self._tail()
            time.sleep(0.01)

    def _tail(self) -> str:
        return self._output[-3000:].decode(errors="replace")

    def _collect(self) -> None:
        while True:
            try:
                read = os.read(self._controller, 65536)
            except OSError:  # nobody has it open any more
                return
            with self._changed:
                self._marks += read.count(_MARK)
                self._output += read.replace(_MARK, b"")
                self._changed.notify_all()


def visible(output: str) -> str:
    """The text without the escape sequences that the program may send, and without line ends.

    A sequence of another kind stays, so that a test finds it.
    """
    return _SEQUENCE.sub("", output).replace("\r", "").replace("\n", "")
