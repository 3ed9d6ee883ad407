"""Where the events of a run are shown: as JSON, as plain lines, or in the live view."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from rr_refine.agent.events import (
    CriticFailed,
    Decided,
    Event,
    RenderFailed,
    RunFinished,
    StepDone,
    write_event,
)
from rr_refine.agent.history import Failure, failure_words
from rr_refine.agent.policy import Policy
from rr_refine.cli.lines import LONGEST, lines_of
from rr_refine.cli.options import DisplayOptions, Graphics
from rr_refine.cli.text import clean_stderr, quoted, say_json, tell

__all__ = ["TOLD", "Display", "find_graphics", "open_display"]

TOLD: Final = "as told above"

_WIDE: Final = 60  # columns that the live view needs
_BY_PROGRAM: Final[dict[str, Graphics]] = {
    "ghostty": "kitty",
    "WezTerm": "iterm2",
    "iTerm.app": "iterm2",
    "iTerm2": "iterm2",
}
_BY_TERM: Final[dict[str, Graphics]] = {
    "xterm-kitty": "kitty",
    "xterm-ghostty": "kitty",
    "foot": "sixel",
    "mlterm": "sixel",
    "contour": "sixel",
    "yaft": "sixel",
}


class Display(ABC):
    """Shows events."""

    def open(self) -> AbstractContextManager[object]:
        """Show what comes. Where nothing moves, the bars of libraries are left out."""
        return clean_stderr(bars=False)

    @abstractmethod
    def show(self, event: Event) -> None:
        """Show an event, or leave it out."""

    def show_choices(self, pictures: Sequence[tuple[str, Path]]) -> None:
        """Show pictures that can be chosen, while the display is paused.

        Args:
            pictures: what is said about each, and its file.
        """
        for line, path in pictures:
            tell(f"  {line}", f"     {quoted(path)}")

    def has_told(self, failure: Failure) -> bool:  # noqa: ARG002
        """Whether a failure stands on the terminal already, word for word."""
        return False

    def paused(self) -> AbstractContextManager[None]:
        """Keep off the terminal while somebody is asked something."""
        return nullcontext()


class _JsonDisplay(Display):
    """Events as NDJSON on stdout; steps are left out."""

    def show(self, event: Event) -> None:
        if not isinstance(event, StepDone):
            say_json(write_event(event))


class _PlainDisplay(Display):
    """A line or two per event on stderr, see `rr_refine.cli.lines`.

    A failure is told when it happens, and once.
    """

    def __init__(self) -> None:
        self._failures: set[str] = set()

    def show(self, event: Event) -> None:
        match event:
            case RenderFailed() | CriticFailed():
                self._failures.add(failure_words(event.error, event.message))
            case Decided(verdict=verdict) if verdict.reason in self._failures:
                return
            case RunFinished(stop=stop, best=None) if stop.reason in self._failures:
                stop = stop.model_copy(update={"reason": TOLD})
                event = event.model_copy(update={"stop": stop})
        for line in lines_of(event):
            tell(line)

    def has_told(self, failure: Failure) -> bool:
        whole = len(failure.message) <= LONGEST  # of a longer one, the end is still to be told
        return whole and failure_words(failure.error, failure.message) in self._failures


def open_display(policy: Policy, options: DisplayOptions) -> Display:
    """The display that fits; open it.

    The live view needs a terminal that moves its cursor, colour and 60 columns. Everything else
    gets plain lines, which a screen reader reads well.
    """
    if options.json:
        return _JsonDisplay()
    colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") not in ("", "dumb")
    if options.plain or not colour or not sys.stderr.isatty():
        return _PlainDisplay()
    from rr_refine.cli.live.console import CleanConsole

    console = CleanConsole()
    if console.width < _WIDE:
        return _PlainDisplay()
    from rr_refine.cli.live.view import LiveView

    return LiveView(policy, options.pictures or find_graphics(os.environ), console)


def find_graphics(environment: Mapping[str, str]) -> Graphics:
    """The graphics that a terminal names in its environment variables.

    The terminal itself is not asked: that takes raw mode, and a late answer would be read as typed
    text.
    """
    term = environment.get("TERM", "")
    if "TMUX" in environment or term.startswith(("screen", "tmux")):
        return "blocks"  # they pass no pictures on
    for name in ("TERM_PROGRAM", "LC_TERMINAL"):
        if known := _BY_PROGRAM.get(environment.get(name, "")):
            return known
    known = _BY_TERM.get(term) or _BY_TERM.get(term.partition("-")[0])
    return known or ("kitty" if "KITTY_WINDOW_ID" in environment else "blocks")
