"""Which shape covers some pixels, where, and how large: found by comparing with all of them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFilter

from rr_refine.sketch.world.drawing import RADIUS, SIDE, silhouette
from rr_refine.sketch.world.scene import KINDS, SIZES, Kind, Size

__all__ = ["FittedShape", "fit"]

_UNIT: Final = 58
"""Radius of the shapes in the bank, pixels: as large as they can be drawn."""
_MARGIN: Final = 16
_GRID: Final = SIDE + 2 * _MARGIN
_BETWEEN_SIZES: Final = (RADIUS["small"] * RADIUS["large"]) ** 0.5
_RADII: Final = (0.82 * RADIUS["small"], 1.18 * RADIUS["large"])
"""Of shapes, pixels. Without these a bad star would be taken for a circle of half its size."""
_KINDS: Final = len(KINDS)
_BLUR: Final = 1.2
"""Of the blurred looks: standard deviation, pixels. They tell a blurred star from a circle."""
_FINALISTS: Final = 3
_CLEAR: Final = 0.92
"""Likeness, and lead of `_AHEAD`, that need no better fit."""
_AHEAD: Final = 0.1


@dataclass(frozen=True, slots=True)
class FittedShape:
    """A shape without its colour, as found in a picture."""

    kind: Kind
    x: float
    y: float
    """The middle it was drawn around, pixels."""
    radius: float
    """Pixels."""
    likeness: float
    """Overlap with a clean shape: intersection over union of coverages, 0 to 1."""
    lead: float
    """By how much it is likelier than the next kind."""

    @property
    def size(self) -> Size:
        """The size whose radius is nearer, as a ratio."""
        return "small" if self.radius < _BETWEEN_SIZES else "large"


@dataclass(frozen=True, slots=True)
class _Bank:
    pictures: NDArray[np.float32]
    """16 looks x 2 sizes x grid x grid: coverages, smoothed by what is a pixel at that size. A look
    is a kind, or eight more for the kind when blurred."""
    areas: NDArray[np.float64]
    """8: area of each kind with radius 1."""
    middles: NDArray[np.float64]
    """8 x 2: centre of mass (x, y) of each kind with radius 1."""


def fit(
    coverage: NDArray[np.float32], visible: NDArray[np.bool_], *, top: int, left: int
) -> FittedShape:
    """The shape that explains `coverage` best.

    Area and centre of mass give each kind its radius and its centre; where that leaves doubt, the
    likeliest kinds are moved and scaled until they fit best.

    Args:
        coverage: Of a window of the picture, rows x columns, 0 to 1, some of it above 0.
        visible: Where False, something else hides what is there.
        top: First row of the window.
        left: First column of the window.
    """
    bank = _bank()
    down = np.arange(coverage.shape[0], dtype=np.float32) + (top + 0.5)
    across = np.arange(coverage.shape[1], dtype=np.float32) + (left + 0.5)
    seen = coverage * visible
    mass = float(seen.sum())
    middle = np.array([seen.sum(axis=0) @ across, seen.sum(axis=1) @ down]) / mass

    def likeness(looks: NDArray[np.intp], guesses: NDArray[np.float64]) -> NDArray[np.float64]:
        shades = _shade(looks, guesses, down, across)
        both: NDArray[np.float64] = np.minimum(shades, seen).sum(axis=(1, 2))
        whole = bank.areas[looks % _KINDS] * guesses[:, 2] ** 2  # some may be outside the window
        either: NDArray[np.float64] = whole - (shades * ~visible).sum(axis=(1, 2)) + mass - both
        return both / either

    radii = np.sqrt(mass / bank.areas).clip(*_RADII)
    guesses = np.column_stack([middle - bank.middles * radii[:, None], radii])
    each = likeness(np.arange(2 * _KINDS), np.tile(guesses, (2, 1))).reshape(2, _KINDS)
    kinds = each.max(axis=0).argsort()[::-1][:_FINALISTS]
    looks = kinds + _KINDS * each.argmax(axis=0)[kinds]
    guesses, found = guesses[kinds], each.max(axis=0)[kinds]
    if found[0] < _CLEAR or found[0] - found[1] < _AHEAD:
        for step in (1.0, 1.0, 0.5, 0.25):
            tries = (guesses[:, None] + step * _MOVES).reshape(-1, 3)
            tries[:, 2] = tries[:, 2].clip(*_RADII)
            scores = likeness(np.repeat(looks, len(_MOVES)), tries).reshape(len(kinds), -1)
            best = scores.argmax(axis=1)
            guesses = tries.reshape(len(kinds), -1, 3)[range(len(kinds)), best]
            found = scores.max(axis=1)
    first, second = found.argsort()[::-1][:2]
    x, y, radius = guesses[first].tolist()
    return FittedShape(
        kind=KINDS[kinds[first]],
        x=x,
        y=y,
        radius=radius,
        likeness=float(found[first]),
        lead=float(found[first] - found[second]),
    )


_MOVES: Final = np.array(
    [(0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], np.float64
)
"""Changes of x, y and radius that are tried, pixels."""


def _shade(
    looks: NDArray[np.intp],
    guesses: NDArray[np.float64],
    down: NDArray[np.float32],
    across: NDArray[np.float32],
) -> NDArray[np.float32]:
    """How shapes cover a window if they stand at `guesses` (x, y, radius).

    `looks` are kinds, or 8 more for blurred ones; `down` and `across` are the middles of rows and
    columns, in pixels. Shape: looks x rows x columns.
    """
    x, y, radius = guesses.T[:, :, None]
    scale = _UNIT / radius
    pictures = 2 * looks[:, None] + (radius > _BETWEEN_SIZES)
    rows = ((down - y) * scale + _GRID / 2).clip(0, _GRID - 1).astype(np.intp)
    columns = ((across - x) * scale + _GRID / 2).clip(0, _GRID - 1).astype(np.intp)
    starts = (pictures * _GRID + rows) * _GRID
    shades: NDArray[np.float32] = _bank().pictures.take(starts[:, :, None] + columns[:, None, :])
    return shades


@functools.cache
def _bank() -> _Bank:
    pictures = np.zeros((2 * _KINDS, len(SIZES), _GRID, _GRID), np.float32)
    for kind, name in enumerate(KINDS):
        drawn = silhouette(name, (SIDE / 2, SIDE / 2), _UNIT)
        wide = drawn.crop((-_MARGIN, -_MARGIN, SIDE + _MARGIN, SIDE + _MARGIN))
        for size, radius in enumerate(RADIUS[size] for size in SIZES):
            pixel = _UNIT / radius
            sharp = wide.filter(ImageFilter.BoxBlur(pixel / 2 - 0.5))
            soft = sharp.filter(ImageFilter.GaussianBlur(_BLUR * pixel))
            pictures[kind, size] = np.asarray(sharp, np.float32) / 255
            pictures[kind + _KINDS, size] = np.asarray(soft, np.float32) / 255
    sharp_ones = pictures[:_KINDS, 0].astype(np.float64)
    masses = sharp_ones.sum(axis=(1, 2))
    places = np.arange(_GRID) + 0.5 - _GRID / 2
    middles = [sharp_ones.sum(axis=axis) @ places / masses / _UNIT for axis in (1, 2)]
    return _Bank(pictures, areas=masses / _UNIT**2, middles=np.column_stack(middles))
