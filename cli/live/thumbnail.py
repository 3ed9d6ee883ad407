"""A thumbnail: a picture in a few character cells, or by the terminal's own graphics.

The protocols are those of kitty, iTerm2 and sixel. No library on PyPI fitted when this was written:
textual-image is LGPL, asks the terminal questions while it is imported and knows kitty only by its
placeholders; term-image is not typed and needs a Pillow older than ours; rich-pixels draws half
blocks alone. What is needed of the
three protocols is one escape sequence each.
"""

from __future__ import annotations

import fcntl
import re
import struct
import termios
from base64 import b64decode, standard_b64encode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import ControlType, Segment
from rich.style import Style

from rr_refine.cli.options import Graphics
from rr_refine.pictures import decode_picture, load_stored

__all__ = ["Overlay", "Thumbnail", "encode", "read_preview", "read_thumbnail"]

_SHARP: Final = 800  # pixels at most of a side where the terminal draws the picture itself
_PREVIEW: Final = 2**20  # pixels at most of a preview
_CHUNK: Final = 4096  # bytes of payload per kitty escape, by its protocol

_COLOURS: Final = 64
_ONLY: Final = [bytes(int(byte == colour) for byte in range(256)) for colour in range(_COLOURS)]
"""By colour: 1 for its pixels, and 0 for others."""
_SIXELS: Final = bytes((63 + bits) % 256 for bits in range(256))
_RUN: Final = re.compile(r"(.)\1{3,}", re.DOTALL)


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
            width, height = _cell()
            image.thumbnail((min(_SHARP, self.columns * width), min(_SHARP, self.rows * height)))
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
        left: columns on the left of it.
    """

    def __init__(self, code: str, rows: int, left: int = 0) -> None:
        self._code = code
        self.rows, self._left = rows, left

    def moved(self, rows: int, left: int) -> Overlay:
        """The same picture in another place."""
        return Overlay(self._code, rows, left)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        right = f"\x1b[{self._left}C" if self._left else ""
        code = f"\x1b7\x1b[{self.rows}A\r{right}{self._code}\x1b8"
        yield Segment(code, None, [(ControlType.CURSOR_UP, self.rows)])


def read_thumbnail(path: str, columns: int, rows: int, how: Graphics) -> Thumbnail | None:
    """The thumbnail of a file; None where none is wanted or the file cannot be read."""
    if how == "none":
        return None
    try:
        return Thumbnail(load_stored(Path(path)).convert("RGB"), columns, rows, how)
    except (OSError, ValueError):
        return None  # a view is no reason to end a run


def read_preview(url: str, columns: int, rows: int) -> Thumbnail | None:
    """That of a `data:` URL, always in cells: it is drawn anew at each step."""
    try:
        picture = decode_picture(b64decode(url.partition(",")[2]), most_pixels=_PREVIEW)
        return Thumbnail(picture, columns, rows, "blocks")
    except ValueError:
        return None


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


def encode(
    image: Image.Image, columns: int, rows: int, how: Literal["kitty", "iterm2", "sixel"]
) -> str:
    """The escape sequence that draws a picture from the cursor on, over so many cells."""
    if how == "sixel":
        width, height = _cell()
        return _sixel(image.resize((max(1, columns * width), max(1, rows * height - 1))))
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    data = standard_b64encode(file.getvalue()).decode()
    if how == "iterm2":
        shape = f"inline=1;width={columns};height={rows};preserveAspectRatio=0"
        return f"\x1b]1337;File={shape}:{data}\x07"
    return "".join(_kitty(data, columns, rows))


def _kitty(data: str, columns: int, rows: int) -> Iterator[str]:
    # q=2: the terminal answers nothing, which would be typed text; C=1: the cursor stays.
    keys = f"a=T,f=100,q=2,C=1,c={columns},r={rows},"
    for start in range(0, len(data), _CHUNK):
        more = int(start + _CHUNK < len(data))
        yield f"\x1b_G{keys}m={more};{data[start : start + _CHUNK]}\x1b\\"
        keys = ""


def _sixel(image: Image.Image) -> str:
    """Six rows of pixels at a time, one pass per colour; runs are counted."""
    reduced = image.convert("RGB").quantize(_COLOURS)
    palette = reduced.getpalette() or []
    width, height = reduced.size
    pixels = reduced.tobytes()
    parts = [f'\x1bPq"1;1;{width};{height}']
    for index in range(len(palette) // 3):
        red, green, blue = (round(v / 2.55) for v in palette[3 * index : 3 * index + 3])
        parts.append(f"#{index};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        band = [pixels[y * width : (y + 1) * width] for y in range(top, min(top + 6, height))]
        for colour in sorted(set().union(*band)):
            bits = 0  # a byte per column, a bit of it per row
            for bit, row in enumerate(band):
                bits |= int.from_bytes(row.translate(_ONLY[colour])) << bit
            sixels = bits.to_bytes(width).translate(_SIXELS).decode()
            parts.append(f"#{colour}{_RUN.sub(lambda m: f'!{len(m[0])}{m[1]}', sixels)}$")
        parts.append("-")
    return "".join([*parts, "\x1b\\"])


def _cell() -> tuple[int, int]:
    """Width and height of a character in pixels, as the terminal's driver has it."""
    try:
        answer = fcntl.ioctl(2, termios.TIOCGWINSZ, b"\0" * 8)
    except OSError:
        return 10, 20
    rows, columns, width, height = struct.unpack("4H", answer)
    return (width // columns, height // rows) if width and height and columns and rows else (10, 20)
