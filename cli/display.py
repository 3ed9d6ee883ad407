"""A display: where the events of a run are shown. JSON, plain lines, or the live view."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Final, Protocol, Self

from rr_refine.agent.events import Event
from rr_refine.agent.policy import Policy
from rr_refine.cli.live.graphics import Graphics, find_graphics

__all__ = ["Display", "open_display"]

_WIDE: Final = 60  # columns that the live view needs


class Display(Protocol):
    """Shows events while it is entered."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, event: Event) -> None:
        """Show an event, or do not."""
        ...

    def paused(self) -> AbstractContextManager[None]:
        """Keep off the terminal: somebody is asked something."""
        ...


class _Still:
    """A display that needs no care."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def paused(self) -> AbstractContextManager[None]:
        """Nothing moves anyway."""
        return nullcontext()


class _JsonDisplay(_Still):
    """Events as NDJSON on stdout; steps are left out."""

    def show(self, event: Event) -> None:
        """Print the event at once."""
        from rr_refine.agent.events import StepDone, write_event

        if not isinstance(event, StepDone):
            print(write_event(event), flush=True)


class _PlainDisplay(_Still):
    """A line or two per event on stderr, see `rr_refine.cli.lines`."""

    def show(self, event: Event) -> None:
        """Print the event's lines at once."""
        from rr_refine.cli.lines import lines_of

        for line in lines_of(event):
            print(line, file=sys.stderr, flush=True)


def open_display(
    policy: Policy, *, as_json: bool, plain: bool = False, pictures: Graphics | None = None
) -> Display:
    """The display that fits; enter it.

    The live view needs a terminal that moves its cursor, colour and 60 columns. Everything else
    gets plain lines, which a screen reader reads well.
    """
    if as_json:
        return _JsonDisplay()
    colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") not in ("", "dumb")
    if plain or not colour or not sys.stderr.isatty():
        return _PlainDisplay()
    from rich.console import Console

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if console.width < _WIDE:
        return _PlainDisplay()
    from rr_refine.cli.live.view import LiveView

    return LiveView(policy, pictures or find_graphics(os.environ), console)
