"""Letters in a line of ink, read one by one: no word is known here."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from rr_refine.sketch.world.drawing import write

__all__ = ["LineReading", "read_line"]

_HEIGHT: Final = 16
"""Rows of a letter, edges counted."""
_WIDTH: Final = 24
"""Columns of the widest, with faint edges."""
_FRINGE: Final = 2
"""Columns kept before a letter, for its faint edge."""
_PAD: Final = 3
"""Bare rows above and below a line: letters are looked for that far from its middle."""
_NEAR: Final = range(-1, 4)
"""Columns between neighbours whose edges may explain the same ink; the font is kerned."""
_CLEAR: Final = 0.5
"""Part of a letter's ink that must be explained, and of all ink."""
_WELL: Final = 0.9
"""Part of all ink that, explained, needs no other scale."""
_SCALES: Final = (14 / 15, 16 / 15, 17 / 15)
"""That are tried: the height of blurred ink is uncertain."""
_EFFORT: Final = 8.0
"""Ink that a letter must explain to be there at all, pixels: less is a smudge."""
_VARIANTS: Final = tuple(itertools.product((0, 1), (0, 1), (True, False)))
"""Of each letter: half a pixel lower, half a pixel to the right, sharp."""


@dataclass(frozen=True, slots=True)
class LineReading:
    """What a line of ink says."""

    letters: str
    explained: float
    """Part of the ink that the letters explain, at most 1."""
    worst: float
    """Part of its own ink at which the least likely letter is there."""

    @property
    def clear(self) -> bool:
        """Whether it can be trusted."""
        return min(self.explained, self.worst) > _CLEAR


@dataclass(frozen=True, slots=True)
class _Font:
    """The 26 capitals, each in several variants."""

    pictures: NDArray[np.float32]
    """26 x variants x height x width."""
    ink: NDArray[np.float32]
    """26 x variants: sum of squares."""
    widths: NDArray[np.intp]
    """Columns that each letter takes, faint edges left out."""
    shared: NDArray[np.float32]
    """Gaps x 26 x 26: twice the product of one letter and the next, so many columns on."""


def read_line(ink: NDArray[np.float32]) -> LineReading:
    """Read a line of capitals.

    Args:
        ink: Coverage by ink, 0 to 1, rows x columns, cropped to where it is above a half.
    """
    best = _read(_strip(ink, 1.0))
    if best.explained < _WELL:
        others = (_read(_strip(ink, scale)) for scale in _SCALES)
        best = max(best, *others, key=lambda line: line.explained)
    return best


def _read(strip: NDArray[np.float32]) -> LineReading:
    """Read a line as high as the glyphs.

    Every letter is compared at every column. A glyph G explains 2 (A, G) - (G, G) of the energy of
    the ink A, less 2 (G, H) where it comes close to a neighbour H; the letters are those that
    together explain most (dynamic programming from left to right).
    """
    font, gaps, letters = _font(), np.array(_NEAR), np.arange(26)
    width = strip.shape[1]
    gains = _gains(strip) - _EFFORT
    # The most that is explained by lines whose last letter ends before a column, and where and
    # with what letter the one before it ends.
    ended = np.full((width + int(font.widths.max()), 26), -np.inf)
    before = np.full((*ended.shape, 2), -1)
    for start in range(width):
        far = ended[: max(1, start - _NEAR[-1])]
        column, letter = divmod(int(far.argmax()), 26)
        free = max(0.0, far[column, letter])
        near = ended[(start - gaps).clip(0)][:, :, None] - font.shared
        near[gaps > start] = -np.inf
        choice = near.reshape(-1, 26).argmax(axis=0)
        joint = near.reshape(-1, 26)[choice, letters]
        came = np.column_stack([start - gaps[choice // 26], choice % 26])
        came[joint <= free] = (column, letter) if free else (-1, -1)
        ended[start + font.widths, letters] = np.maximum(joint, free) + gains[:, start]
        before[start + font.widths, letters] = came
    column, letter = divmod(int(ended.argmax()), 26)
    total, worst, read = float(ended[column, letter]), 1.0, ""
    while column >= 0 and total > 0:
        gain = gains[letter, column - font.widths[letter]] + _EFFORT
        worst = min(worst, float(gain / font.ink[letter].min()))
        read = ascii_uppercase[letter] + read
        column, letter = before[column, letter].tolist()
    energy = float((strip**2).sum())
    return LineReading(
        read, explained=(total + _EFFORT * len(read)) / energy if read else 0.0, worst=worst
    )


def _strip(ink: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """`ink`, `scale` times as high as the glyphs, with bare rows and columns around it."""
    rows, columns = ink.shape
    if scale == 1.0 and abs(rows - _HEIGHT + 1) <= 1:
        scaled = ink
    else:
        high = round((_HEIGHT - 1) * scale)
        size = (max(1, round(columns * high / rows)), high)
        image = Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC)
        scaled = np.asarray(image).clip(0, 1)
    over = _HEIGHT + 2 * _PAD - len(scaled)
    return np.pad(scaled, ((over // 2, over - over // 2), (_PAD, _PAD)))


def _gains(strip: NDArray[np.float32]) -> NDArray[np.float32]:
    """What each letter explains if its ink starts at a column: 26 x columns."""
    font = _font()
    wide = np.pad(strip, ((0, 0), (_FRINGE, _WIDTH - 1)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, (_HEIGHT, _WIDTH))[1:-1]
    down, across = windows.shape[:2]
    flat = windows.reshape(down * across, -1)
    products = font.pictures.reshape(-1, flat.shape[1]) @ flat.T
    explained = 2 * products.reshape(26, -1, down, across) - font.ink[:, :, None, None]
    gains: NDArray[np.float32] = explained.max(axis=(1, 2))
    return gains


@functools.cache
def _font() -> _Font:
    pictures = np.zeros((26, len(_VARIANTS), _HEIGHT, _WIDTH), np.float32)
    widths = []
    for index, letter in enumerate(ascii_uppercase):
        image = Image.new("RGB", (2 * _WIDTH, 2 * _HEIGHT))
        write(image, letter, (_WIDTH, _HEIGHT), (255, 255, 255))
        drawn = np.asarray(image, np.float32)[..., 0] / 255
        top = np.nonzero(drawn.max(axis=1) > 0.2)[0][0]
        columns = np.nonzero(drawn.max(axis=0) > 0.5)[0]
        left = columns[0] - _FRINGE
        widths.append(int(columns[-1] - columns[0] + 1))
        soft = np.asarray(image.filter(ImageFilter.GaussianBlur(0.8)), np.float32)[..., 0] / 255
        for variant, (down, right, sharp) in enumerate(_VARIANTS):
            look = drawn if sharp else soft
            moved = (look + np.roll(look, (down, right), (0, 1))) / 2
            pictures[index, variant] = moved[top : top + _HEIGHT, left : left + _WIDTH]
    shared = np.zeros((len(_NEAR), 26, 26), np.float32)
    blurred = pictures[:, -1]
    for row, gap in zip(shared, _NEAR, strict=True):
        for one, width in enumerate(widths):
            edge = blurred[one, :, width + gap :]
            row[one] = 2 * np.tensordot(blurred[:, :, : edge.shape[1]], edge, 2)
    return _Font(
        pictures=pictures,
        ink=(pictures**2).sum(axis=(2, 3)),
        widths=np.array(widths),
        shared=shared,
    )
