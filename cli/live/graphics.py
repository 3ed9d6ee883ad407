"""Pictures on a terminal that can show them: the protocols of kitty, iTerm2 and sixel.

No library on PyPI fitted when this was written: textual-image is LGPL, asks the terminal questions
while it is imported and knows kitty only by its placeholders; term-image is not typed and needs a
Pillow older than ours. What is needed of the three protocols is one escape sequence each.
"""

from __future__ import annotations

from base64 import standard_b64encode
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Graphics", "encode", "find_graphics"]

Graphics = Literal["kitty", "iterm2", "sixel", "blocks", "none"]
"""How pictures are shown. `blocks`: two pixels to a character cell, everywhere."""

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
_CHUNK: Final = 4096  # bytes of payload per kitty escape, by its protocol


def find_graphics(environment: Mapping[str, str]) -> Graphics:
    """What the terminal says that it can show, by its variables.

    It is not asked: that takes raw mode, and an answer that comes late would be typed text.
    """
    term = environment.get("TERM", "")
    if "TMUX" in environment or term.startswith(("screen", "tmux")):
        return "blocks"  # they pass no pictures on
    for name in ("TERM_PROGRAM", "LC_TERMINAL"):
        if known := _BY_PROGRAM.get(environment.get(name, "")):
            return known
    known = _BY_TERM.get(term) or _BY_TERM.get(term.partition("-")[0])
    return known or ("kitty" if "KITTY_WINDOW_ID" in environment else "blocks")


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
    reduced = image.convert("RGB").quantize(64)
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
            columns = zip(*band, strict=True)
            sixels = (sum((p == colour) << bit for bit, p in enumerate(c)) for c in columns)
            parts.append(f"#{colour}{_runs(sixels)}$")
        parts.append("-")
    return "".join([*parts, "\x1b\\"])


def _runs(sixels: Iterator[int]) -> str:
    from itertools import groupby

    counted = ((chr(63 + value), len([*group])) for value, group in groupby(sixels))
    return "".join(f"!{n}{c}" if n > 3 else c * n for c, n in counted)


def _cell() -> tuple[int, int]:
    """Width and height of a character in pixels, as the terminal's driver has it."""
    import fcntl
    import struct
    import termios

    try:
        answer = fcntl.ioctl(2, termios.TIOCGWINSZ, b"\0" * 8)
    except OSError:
        return 10, 20
    rows, columns, width, height = struct.unpack("4H", answer)
    return (width // columns, height // rows) if width and height and columns and rows else (10, 20)
