"""Rich's console on standard error: whatever it draws, texts hold no hidden characters."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from rr_refine.cli.text import terminal
from rr_refine.plain_text import one_line

__all__ = ["CleanConsole"]


class CleanConsole(Console):
    """No markup either: `[red]` is a text like others."""

    def __init__(self) -> None:
        super().__init__(file=terminal(), markup=False, highlight=False, emoji=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments, cleaned; those that control the terminal are this program's own."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            if control or text.isprintable() or text == "\n":
                yield segment
            else:
                yield Segment("\n".join(map(one_line, text.split("\n"))), style)
