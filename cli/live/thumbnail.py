"""A thumbnail: a picture in a few character cells, or by the terminal's own graphics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import ControlType, Segment
from rich.style import Style

from rr_refine.cli.live.graphics import Graphics, encode

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Overlay", "Thumbnail", "read_thumbnail"]

_SHARP: Final = 320  # pixels of the longer side where the terminal draws the picture itself


class Thumbnail:
    """A picture as a block of cells; blank where an `Overlay` will draw it.

    Args:
        image: RGB.
        columns: cells at most, wide.
        rows: cells at most, high. A cell counts as twice as high as wide.
    """

    def __init__(self, image: Image.Image, columns: int, rows: int, how: Graphics) -> None:
        scale = min(columns / image.width, 2 * rows / image.height)
        self.columns = max(1, min(columns, round(image.width * scale)))
        self.rows = max(1, min(rows, round(image.height * scale / 2)))
        self.overlay: Overlay | None = None
        self._lines: list[list[Segment]]
        if how in ("kitty", "iterm2", "sixel"):
            image.thumbnail((_SHARP, _SHARP))
            self.overlay = Overlay(encode(image, self.columns, self.rows, how), self.rows)
            self._lines = [[Segment(" " * self.columns)] for _ in range(self.rows)]
        else:
            self._lines = _half_blocks(image.resize((self.columns, 2 * self.rows)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lines:
            yield from line
            yield Segment.line()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(self.columns, self.columns)


class Overlay:
    """Draws a picture over blank cells that were printed just before, and puts the cursor back.

    Drawn afterwards, because text that is printed over a picture rubs it out.

    Args:
        rows: from the top of the picture down to the line of the cursor.
    """

    def __init__(self, code: str, rows: int) -> None:
        self._code = code
        self.rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = f"\x1b7\x1b[{self.rows}A\r{self._code}\x1b8"
        yield Segment(code, None, [(ControlType.CURSOR_UP, self.rows)])


def read_thumbnail(path: str, columns: int, rows: int, how: Graphics) -> Thumbnail | None:
    """The thumbnail of a file; None where none is wanted or the file cannot be read."""
    from PIL import Image

    if how == "none":
        return None
    try:
        with Image.open(Path(path)) as image:
            image.draft("RGB", (_SHARP, _SHARP))
            return Thumbnail(image.convert("RGB"), columns, rows, how)
    except OSError:
        return None  # a view is no reason to end a run


def _half_blocks(image: Image.Image) -> list[list[Segment]]:
    """The upper pixel of a cell as the colour of `▀`, the lower one behind it."""
    width, height = image.size
    data = image.tobytes()

    def colour(x: int, y: int) -> Color:
        at = 3 * (y * width + x)
        return Color.from_rgb(*data[at : at + 3])

    return [
        [Segment("▀", Style(color=colour(x, y), bgcolor=colour(x, y + 1))) for x in range(width)]
        for y in range(0, height, 2)
    ]
