"""Uploaded pictures, and thumbnails for the page."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import Image

from rr_refine.errors import ConfigError, StoreError
from rr_refine.pictures import decode_picture

__all__ = ["MAX_PICTURE_BYTES", "MAX_PICTURE_PIXELS", "read_upload", "thumbnail"]

MAX_PICTURE_BYTES: Final = 20_000_000
MAX_PICTURE_PIXELS: Final = 40_000_000
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What a browser or a camera makes. Pillow reads more, some of it through other programs."""
_SIDE: Final = 480
"""Pixels of a thumbnail's longer side."""


def read_upload(data: bytes) -> Image.Image:
    """The picture in an uploaded file, upright and RGB.

    Raises:
        ConfigError: too large, or no picture of a common kind; nothing was decoded in full.
    """
    if len(data) > MAX_PICTURE_BYTES:
        raise ConfigError(
            f"the picture's file has {len(data) / 1e6:.0f} MB; "
            f"{MAX_PICTURE_BYTES / 1e6:.0f} MB is the most"
        )
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
    except Exception as error:  # a decoder of foreign bytes may raise anything
        raise ConfigError(
            "this file is no picture that can be used; give a PNG, JPEG, WebP, GIF, BMP, TIFF or "
            "AVIF file"
        ) from error
    if width * height > MAX_PICTURE_PIXELS:
        raise ConfigError(
            f"the picture has {width} x {height} pixels; "
            f"{MAX_PICTURE_PIXELS / 1e6:.0f} million is the most"
        )
    try:
        return decode_picture(data)
    except ValueError as error:
        raise ConfigError(f"the picture cannot be read: {error}") from error


@lru_cache(maxsize=512)
def thumbnail(path: Path) -> bytes:
    """A picture of a run folder as a small PNG. Such files are named by content: none changes.

    Raises:
        StoreError: it is missing or broken.
    """
    try:
        with Image.open(path) as image:
            image.thumbnail((_SIDE, _SIDE))
            image.info = {}
            out = io.BytesIO()
            image.save(out, "PNG")
            return out.getvalue()
    except (OSError, SyntaxError) as error:
        raise StoreError(f"{path.name} cannot be read: {error}") from error
