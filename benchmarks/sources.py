"""Pictures to edit, a few at a time: one of 54 megapixels takes seconds and 300 MB to load."""

from __future__ import annotations

from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final

from rr_refine.pictures import SOURCE_PIXELS, load_picture, picture_size

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ROOM", "load_source", "pixels_of"]

ROOM: Final = 2**26
"""Pixels of the pictures to edit that are held at once: 200 MB, and several times as much while
they are stored and sent."""

_AT_ONCE: Final = BoundedSemaphore(2)
"""More would only wait for each other, longer than decoding may take."""


def load_source(source: Image.Image | Path) -> Image.Image:
    """The picture, scaled down to `SOURCE_PIXELS` where it is larger: no generator takes more.

    Raises:
        ConfigError: it is missing, or no picture that can be used.
    """
    if not isinstance(source, Path):
        return load_picture(source, most_pixels=SOURCE_PIXELS)
    with _AT_ONCE:
        return load_picture(source, most_pixels=SOURCE_PIXELS)


def pixels_of(source: Image.Image | Path | None) -> int:
    """How many a picture will have when it is loaded; 0 where there is none that can be read."""
    try:
        size = picture_size(source) if isinstance(source, Path) else source.size if source else ()
    except (ValueError, OSError):
        return 0
    return min(SOURCE_PIXELS, size[0] * size[1]) if size else 0
