"""The one way to the terminal: nothing that a file or a server said gets there as it is.

A line that is printed holds no control, direction or other hidden characters, so it can neither
move the cursor, nor colour or hide what stands around it, nor pass for two lines.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
from contextlib import AbstractContextManager, redirect_stderr
from pathlib import Path
from typing import TextIO, cast

from rr_refine.plain_text import is_hidden, one_line

__all__ = [
    "clean",
    "clean_stderr",
    "give_up_output",
    "open_streams",
    "overwrite",
    "plain",
    "quoted",
    "say",
    "say_json",
    "short",
    "tell",
    "terminal",
]


def plain(text: str) -> str:
    """`text` on one line, without hidden characters, and one space for several."""
    return " ".join(one_line(text).split())


def short(text: str, length: int = 160) -> str:
    """`plain(text)`, cut at `length` characters."""
    text = plain(text[: 20 * length])
    return text if len(text) <= length else f"{text[: length - 1]}…"


def say(*lines: str | Path) -> None:
    """Print lines on standard output: data. A path stays one that a shell can be given."""
    for line in lines:
        print(_shown(line), flush=True)


def tell(*lines: str | Path) -> None:
    """Print lines on standard error: talk, which may be lost where nobody takes it.

    Raises:
        BrokenPipeError: somebody read it, and went away.
    """
    for line in lines:
        try:
            print(_shown(line), file=sys.stderr, flush=True)
        except BrokenPipeError:
            raise
        except OSError:
            _point(2, os.O_WRONLY)


def say_json(text: str) -> None:
    """Print JSON on standard output; hidden characters in its texts are escaped, and those that the
    stream's encoding does not have.
    """
    if not text.isprintable():
        text = "".join(json.dumps(c)[1:-1] if c != "\n" and is_hidden(c) else c for c in text)
    if not _has_encoding(text):
        text = "".join(c if c.isascii() else json.dumps(c)[1:-1] for c in text)
    print(text, flush=True)


def overwrite(line: str, *, last: bool) -> None:
    """Print a line on the terminal over the one before; after the last one comes another."""
    print(f"\r\x1b[K{one_line(line)}", end="\n" if last else "", file=terminal(), flush=True)


def quoted(path: Path | str) -> str:
    """A path for a shell's command line; what cannot be shown is in `$'…'`, as bytes."""
    text = str(path)
    if text == one_line(text) and _has_encoding(text):
        return shlex.quote(text)
    return f"$'{''.join(_escaped(byte) for byte in os.fsencode(text))}'"


def _escaped(byte: int) -> str:
    character = chr(byte)
    is_safe = 0x20 <= byte < 0x7F and character not in "'\\"
    return character if is_safe else f"\\x{byte:02x}"


def _shown(line: str | Path) -> str:
    if isinstance(line, str):
        return one_line(line)
    text = str(line)
    return text if text == one_line(text) and _has_encoding(text) else quoted(line)


# -- the streams -----------------------------------------------------------------------------------


def open_streams() -> None:
    """Before anything is opened: no file may get the number of a stream that was closed.

    A closed standard input is empty, what goes to a closed standard error is dropped, and writing
    to a closed standard output fails, as data would be lost. What an encoding does not have is
    printed as an escape.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            _point(number, os.O_WRONLY if number == 2 else os.O_RDONLY)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def give_up_output() -> None:
    """Standard output cannot be written: what is left goes nowhere, and Python does not complain
    again when it closes the stream.
    """
    _point(1, os.O_WRONLY)


def _point(number: int, mode: int) -> None:
    """Let a stream's number be the null device."""
    opened = os.open(os.devnull, mode)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


def _has_encoding(text: str) -> bool:
    """Whether standard output can show it."""
    if text.isascii():
        return True
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


# -- what others print ---------------------------------------------------------------------------


class _CleanStream:
    """A text stream that lets no hidden characters through: for logs, warnings, bars of others.

    Args:
        bars: whether lines that are to be written over are let through.
    """

    def __init__(self, stream: TextIO, *, bars: bool = True) -> None:
        self.unchecked = stream
        self._bars = bars
        self._at_start = True
        self._after_bar = False

    def __getattr__(self, name: str) -> object:
        return getattr(self.unchecked, name)

    def write(self, text: str) -> int:
        """Write what is left of it. A bar may begin with a return to the start of its line."""
        if not self._bars and text:
            is_end = self._after_bar and self._at_start and not text.strip()
            self._after_bar = is_end or "\r" in text.replace("\r\n", "\n")
            if self._after_bar:
                return len(text)
            self._at_start = text.endswith("\n")
        rest = text.removeprefix("\r")
        lines = "\n".join(map(one_line, rest.split("\n")))
        self.unchecked.write(lines if rest == text else f"\r{lines}")
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)


def clean(stream: TextIO, *, bars: bool = True) -> TextIO:
    """The stream for others, who print what they like."""
    return cast("TextIO", _CleanStream(stream, bars=bars))


def clean_stderr(*, bars: bool = True) -> AbstractContextManager[object]:
    """While others may print on standard error: libraries, logs, warnings, parts of the user's.

    Args:
        bars: whether lines may be written over; else the bars of libraries are left out.
    """
    return redirect_stderr(sys.stderr and clean(sys.stderr, bars=bars))


def terminal() -> TextIO:
    """Standard error as it is, for a display that moves the cursor and cleans its texts itself."""
    found = sys.stderr
    while isinstance(found, _CleanStream):
        found = found.unchecked
    return found
