"""How far a picture is from a clean drawing of what was read in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rr_refine.sketch.oracle.blobs import grown
from rr_refine.sketch.oracle.sightings import SeenLine, SeenShape
from rr_refine.sketch.world.drawing import (
    BACKGROUND_RGB,
    COLOUR_RGB,
    SIDE,
    ink_of,
    silhouette,
    write,
)
from rr_refine.sketch.world.palette import Inks, Paper, spread

__all__ = ["residual_of"]

_TINT: Final = 8
"""Levels that a clean colour may be off: its jitter, and a little."""
_STRAY: Final = 24
"""Levels off the paper that make a bare pixel count."""
_LEAST: Final = 100
"""Pixels that a place counts with at least, so that one stray pixel is no fault."""
_PLACE: Final = np.arange(SIDE) * 3 // SIDE


def residual_of(
    pixels: NDArray[np.float32],
    paper: Paper,
    inks: Inks,
    shapes: Sequence[SeenShape],
    lines: Sequence[SeenLine],
) -> float:
    """The mean absolute difference to a clean redraw, 0 to 1, in the worst of the nine places.

    The redraw has the shapes where they were found, as large as they were found, in colours as near
    to those found as clean drawing comes. What counts is the pixels that the redraw covers with
    ink, two more around them, and all others that are clearly not paper.
    """
    base = _clean(paper.rgb, BACKGROUND_RGB[paper.name]) if paper.name else paper.rgb
    redraw = Image.new("RGB", (SIDE, SIDE), _whole(base))
    for seen in shapes:
        mask = silhouette(seen.form.kind, (seen.form.x, seen.form.y), seen.form.radius)
        redraw.paste(_whole(_clean(seen.rgb, COLOUR_RGB[seen.colour])), mask=mask)
    clean = np.asarray(redraw, np.float32)
    for line in lines:
        ink = np.array(ink_of(paper.name or "white"), np.float32)
        covered = _written(line, inks)[..., None]
        clean = clean * (1 - covered) + ink * covered
    difference = np.abs(pixels - clean).mean(axis=2) / 255
    counts = grown(spread(clean, base.round()) > 4, 2) | (inks.contrast > _STRAY)
    place = (3 * _PLACE[:, None] + _PLACE)[counts]
    sums = np.bincount(place, difference[counts], minlength=9)
    return float((sums / np.bincount(place, minlength=9).clip(_LEAST)).max())


def _clean(rgb: NDArray[np.float32], nominal: tuple[int, int, int]) -> NDArray[np.float32]:
    middle = np.array(nominal, np.float32)
    clean: NDArray[np.float32] = rgb.clip(middle - _TINT, middle + _TINT)
    return clean


def _whole(rgb: NDArray[np.float32]) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, round(level))) for level in rgb.tolist())
    return red, green, blue


def _written(line: SeenLine, inks: Inks) -> NDArray[np.float32]:
    """The line's letters as coverage, moved by halves of pixels to where they fit best."""
    x, y = round(line.x), round(line.y)
    image = Image.new("RGB", (SIDE, SIDE))
    write(image, line.letters, (x, y), (255, 255, 255))
    drawn = np.asarray(image, np.float32)[..., 0] / 255
    window = slice(max(0, y - 12), y + 12), slice(max(0, x - 48), x + 48)
    near, ink = drawn[window], inks.coverage[window]
    halves = [(near + np.roll(near, 1, axis=1)) / 2, near]
    looks = [look for half in halves for look in ((half + np.roll(half, 1, axis=0)) / 2, half)]
    moved = (
        np.roll(look, (down, right), (0, 1))
        for look in looks
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    )
    best = np.zeros((SIDE, SIDE), np.float32)
    best[window] = min(moved, key=lambda mask: float(np.abs(mask - ink).sum()))
    return best
