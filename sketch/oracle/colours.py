"""Colours of a picture: its background, and which colour covers each pixel, and how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rr_refine.sketch.world.drawing import BACKGROUND_RGB, COLOUR_RGB, ink_of
from rr_refine.sketch.world.scene import Background, Colour

__all__ = [
    "LETTERS",
    "MeasuredBackground",
    "PixelColours",
    "measure_background",
    "nearest_colour",
    "spread",
    "unmix_colours",
]

LETTERS: Final = len(COLOUR_RGB)
"""Index of the letters' ink, after the eight colours."""

_CHROMA: Final = 60
"""Difference between channels that letters never have, even on beige; the colours have 116."""
_COLOURS: Final = tuple(COLOUR_RGB)
_RGB: Final = np.array(list(COLOUR_RGB.values()), np.float32)


@dataclass(frozen=True, slots=True)
class MeasuredBackground:
    """What the shapes are drawn on."""

    rgb: NDArray[np.float32]
    """Measured, 0 to 255."""
    name: Background | None
    """The nearest background; None where none is near."""


@dataclass(frozen=True, slots=True)
class PixelColours:
    """What covers each pixel of a picture, arrays of its height and width."""

    index: NDArray[np.intp]
    """The likeliest colour: 0 to 7 are `COLOURS`, 8 is `LETTERS`; void where nothing covers."""
    coverage: NDArray[np.float32]
    """How far the pixel is from the background towards that colour, 0 to 1."""
    contrast: NDArray[np.float32]
    """Largest difference to the background in a channel, 0 to 255."""


def spread(rgb: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest difference in a channel, along the last axis."""
    difference = np.abs(rgb - other)
    red, green, blue = difference[..., 0], difference[..., 1], difference[..., 2]
    largest: NDArray[np.float32] = np.maximum(np.maximum(red, green), blue)
    return largest  # much faster than max(axis=-1)


def measure_background(
    pixels: NDArray[np.float32], near: float = 40.0
) -> MeasuredBackground | None:
    """The background of a picture: its commonest colour, if a third of the picture has it.

    Args:
        pixels: height x width x 3, 0 to 255.
        near: how many levels off, in any channel, is still this colour, and still a background.
    """
    flat = pixels[::2, ::2].reshape(-1, 3)  # a quarter of them is enough
    coarse = (flat / 16).astype(np.int64)
    code = np.bincount(coarse @ np.array([256, 16, 1]), minlength=4096).argmax()
    rgb = np.array([code // 256, code // 16 % 16, code % 16], np.float32) * 16 + 8
    for radius in (24.0, 16.0):  # the second time around a better middle
        rgb = np.median(flat[spread(flat, rgb) < radius], axis=0)
    if (spread(flat, rgb) < near).mean() < 1 / 3:
        return None
    distances = {
        name: float(spread(rgb, np.array(nominal, np.float32)))
        for name, nominal in BACKGROUND_RGB.items()
    }
    name = min(distances, key=lambda background: distances[background])
    return MeasuredBackground(rgb=rgb, name=name if distances[name] < near else None)


def unmix_colours(pixels: NDArray[np.float32], ground: MeasuredBackground) -> PixelColours:
    """What covers each of `pixels` (height x width x 3).

    A pixel at the edge of a shape is a mixture of background and colour: it lies on the line
    between the two in RGB. Each pixel goes to the colour whose line is nearest, and its place on
    the line is its coverage. Letters are black or white: what has a hue is none.
    """
    contrast = spread(pixels, ground.rgb)
    index = np.zeros(contrast.shape, np.intp)
    coverage = np.zeros(contrast.shape, np.float32)
    covered = contrast > 16
    letters = np.array([ink_of(ground.name or "white")], np.float32)
    lines = np.concatenate([_RGB, letters]) - ground.rgb
    lengths = (lines**2).sum(axis=1)
    offsets = pixels[covered] - ground.rgb
    along = offsets @ lines.T
    share = np.clip(along / lengths, 0, 1)
    distances = share * (share * lengths - 2 * along)  # squared, less |offset|^2
    distances[np.ptp(pixels[covered], axis=1) > _CHROMA, LETTERS] = np.inf
    index[covered] = distances.argmin(axis=1)
    coverage[covered] = np.take_along_axis(share, index[covered][:, None], axis=1)[:, 0]
    return PixelColours(index=index, coverage=coverage, contrast=contrast)


def nearest_colour(rgb: NDArray[np.float32]) -> tuple[Colour, bool]:
    """The colour nearest to `rgb`, and whether it is near enough to be sure."""
    distances = np.sqrt(((_RGB - rgb) ** 2).sum(axis=1))
    first, second = np.argsort(distances)[:2]
    sure = distances[first] < min(60.0, 0.8 * distances[second])
    return _COLOURS[first], bool(sure)
