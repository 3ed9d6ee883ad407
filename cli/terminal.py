"""The user's terminal while a question is asked: a line editor, `$EDITOR`, signals that end it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rr_refine.cli.text import plain
from rr_refine.errors import ConfigError

__all__ = ["ask", "attended", "edit_in_editor", "is_attended"]

_PULSE: Final = 0.2
"""Seconds."""


def is_attended() -> bool:
    """Whether somebody can be asked: standard input and standard error are terminals."""
    return all(s is not None and s.isatty() for s in (sys.stdin, sys.stderr))


@contextmanager
def attended() -> Iterator[None]:
    """While questions are asked at the terminal.

    What was typed before is dropped. Ctrl-C and SIGTERM raise KeyboardInterrupt at once, even
    within an event loop that handles them. The terminal's modes are restored, whatever an editor
    did to them. A line editor draws on standard output; where that is a file, stderr takes its
    place.
    """
    signals = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(number, signal.default_int_handler) for number in signals]
    # A signal that comes after the line editor has drawn its prompt and before it waits for keys is
    # handled only when the next signal interrupts that wait: the alarm sends one.
    alarm = signal.signal(signal.SIGALRM, lambda *_: None)
    # An event loop, which stands still meanwhile, is told of each signal by a byte, and there is
    # room for some hundred.
    wakeup = signal.set_wakeup_fd(-1)
    signal.setitimer(signal.ITIMER_REAL, _PULSE, _PULSE)
    modes = termios.tcgetattr(0)
    output = os.dup(1)
    try:
        termios.tcflush(0, termios.TCIFLUSH)
        sys.stdout.flush()
        if not os.isatty(1):
            os.dup2(2, 1)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        signal.set_wakeup_fd(wakeup)
        os.dup2(output, 1)
        os.close(output)
        termios.tcsetattr(0, termios.TCSADRAIN, modes)
        for number, handler in zip(signals, handlers, strict=True):
            signal.signal(number, handler)


def ask(question: str, answer: str = "") -> str:
    """A line of text, typed; within `attended`.

    Args:
        answer: to begin with; on one line and without control characters.

    Raises:
        EOFError: Ctrl-D.
        KeyboardInterrupt: Ctrl-C, SIGTERM.
    """
    import readline

    readline.set_startup_hook(lambda: readline.insert_text(plain(answer)))
    try:
        return plain(input(f"{question} "))
    finally:
        readline.set_startup_hook()


def edit_in_editor(text: str) -> str:
    """The text after an edit in `$VISUAL` or `$EDITOR`, else in vi; within `attended`.

    Raises:
        ConfigError: the editor is missing or failed, or the text cannot be read back.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "prompt.txt")
        path.write_text(f"{text}\n", "utf-8", errors="replace")
        # The editor has the keyboard, and handles Ctrl-C by itself.
        handler = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            subprocess.run([*shlex.split(command), str(path)], check=True)
            return path.read_text("utf-8").strip()
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise ConfigError(
                f"editor {command!r} gave no text: {error}; set VISUAL or EDITOR to another"
            ) from error
        finally:
            signal.signal(signal.SIGINT, handler)
