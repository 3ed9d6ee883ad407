"""A picture of any size in the square that the small models work in, and back out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from rr_refine.sketch.world.drawing import BACKGROUND_RGB, COLOUR_RGB, SIDE

__all__ = ["Framed", "frame", "is_flat", "is_sketch"]

_NEAR: Final = 48
"""Levels of 255 in the worst channel between a colour of the world and one that passes for it."""
_TONE: Final = 16
"""Levels that a background's own colour varies by."""
_FLAT, _GROUND = 0.85, 0.3
"""Least share of pixels with a colour of the world, and with that of one background."""


@dataclass(frozen=True, slots=True)
class Framed:
    """A picture in the square, whole and in its proportions, with bars of its edges' colour."""

    source: Image.Image
    """As it was given."""
    image: Image.Image
    """The square."""
    box: tuple[int, int, int, int]
    """Where the picture is in it: left, top, right, bottom."""

    def cut_out(self, result: Image.Image) -> Image.Image:
        """`result`, which is as large as the square, without the bars."""
        return result if self.box == (0, 0, *result.size) else result.crop(self.box)

    @property
    def is_flat(self) -> bool:
        """Whether the picture, without the bars, has the flat colours of the small world."""
        return is_flat(self.cut_out(self.image))

    @property
    def notices(self) -> tuple[str, ...]:
        """What was done, in clauses."""
        told = []
        if self.source.size != self.image.size:
            left, top, right, bottom = self.box
            size, inner = (f"{w}x{h}" for w, h in (self.source.size, (right - left, bottom - top)))
            bars = "above and below" if top else "beside" if left else ""
            told.append(
                f"the generator works in {SIDE}x{SIDE} pixels: the picture to edit was scaled from "
                f"{size} to {inner}"
                + (f", with bars {bars} it that are cut off the result" if bars else "")
            )
        if not self.is_flat:
            told.append(
                "the generator knows pictures of coloured shapes on a plain background: of this "
                "one it keeps rough forms and colours at most"
            )
        return tuple(told)


def frame(picture: Image.Image) -> Framed:
    """Put a picture into the square."""
    scale = SIDE / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    inner = picture if picture.size == (width, height) else picture.resize((width, height))
    left, top = (SIDE - width) // 2, (SIDE - height) // 2
    box = (left, top, left + width, top + height)
    if (width, height) == (SIDE, SIDE):
        return Framed(picture, inner, box)
    square = Image.new("RGB", (SIDE, SIDE), _edge_colour(inner))
    square.paste(inner, box)
    return Framed(picture, square, box)


def is_sketch(picture: Image.Image) -> bool:
    """Whether a picture can be one of the small world; an enlarged one is none."""
    return picture.size == (SIDE, SIDE) and is_flat(picture)


def is_flat(picture: Image.Image) -> bool:
    """Whether a picture has the flat colours of the small world, on one of its backgrounds.

    A cheap look at colours only; it reads nothing.
    """
    pixels = np.asarray(picture.convert("RGB"), dtype=np.int16).reshape(-1, 1, 3)
    ground = np.array(list(BACKGROUND_RGB.values()), dtype=np.int16)
    ink = np.array([*COLOUR_RGB.values(), (16, 16, 16)], dtype=np.int16)
    on = np.abs(pixels - ground).max(axis=2) <= _NEAR
    known = on.any(axis=1) | (np.abs(pixels - ink).max(axis=2) <= _NEAR).any(axis=1)
    if known.mean() < _FLAT or not on.any():
        return False
    # Greys of a photo are near a background, too, but not in one tone.
    tone = np.median(pixels[on[:, on.sum(axis=0).argmax()]], axis=0)
    return bool((np.abs(pixels - tone).max(axis=2) <= _TONE).mean() >= _GROUND)


def _edge_colour(picture: Image.Image) -> tuple[int, int, int]:
    """The middle colour of the pixels at its edges."""
    pixels = np.asarray(picture.convert("RGB"))
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = (int(level) for level in np.median(edges, axis=0))
    return red, green, blue
