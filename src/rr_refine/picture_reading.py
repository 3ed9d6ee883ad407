"""Pictures are decoded here, in the process that calls: see `rr_refine.pictures` for the way in."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rr_refine.notices import add_notices
from rr_refine.picture_colours import to_srgb
from rr_refine.picture_file import broken, open_picture_file
from rr_refine.picture_profiles import profile_of_exif

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["look_at", "normal_picture", "read_picture", "read_png"]

_MOST_PAGES: Final = 100
"""Pages of a TIFF that are counted."""


def read_picture(source: Path | bytes, most_pixels: int | None) -> Image.Image:
    """Decode a picture as an upright sRGB image of at most so many pixels.

    Raises:
        ValueError: it is no picture that can be used.
        OSError: it cannot be read.
    """
    with open_picture_file(source) as (image, profile), _decoding(str(image.format)):
        frames = _frames(image)
        size = image.size
        if most_pixels is not None and size[0] * size[1] > most_pixels:
            # A JPEG can be decoded at a half or a quarter of its size: the eighth of the memory.
            image.draft(None, _fitting(size, most_pixels))
        normal = normal_picture(image, profile, most_pixels, size)
    if frames:
        add_notices(normal, frames)
    return normal


def read_png(data: bytes) -> Image.Image:
    """The pixels of a PNG as they are, without what it says of itself.

    Raises:
        ValueError: it is no PNG, too large, or broken.
    """
    with open_picture_file(data, only="PNG") as (image, _), _decoding("PNG"):
        image.load()
        bare = image.copy()
    bare.info = {}
    return bare


def look_at(source: Path | bytes, *, whole: bool) -> tuple[str, tuple[int, int]]:
    """The format of a picture, and its width and height.

    Args:
        whole: also decode it, to see that nothing is broken.

    Raises:
        ValueError: it is no picture, too large, or broken.
        OSError: it cannot be read.
    """
    with open_picture_file(source) as (image, _):
        kind = str(image.format)
        if whole:
            with _decoding(kind):
                image.load()
        return kind, image.size


@contextmanager
def _decoding(kind: str) -> Iterator[None]:
    """What a decoder raises, as a ValueError in words."""
    try:
        yield
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # a decoder of foreign bytes may raise anything
        raise broken(kind, error) from error


def _frames(image: Image.Image) -> str | None:
    """What to say of a file with several pictures; None of one with one."""
    # The others of an MPO file are previews, depth or the second eye.
    if image.format == "MPO" or not getattr(image, "is_animated", False):
        return None
    if image.format != "TIFF":
        return f"it is the first of {getattr(image, 'n_frames', 2)} frames"
    pages: int | str = f"more than {_MOST_PAGES}"
    for page in range(1, _MOST_PAGES + 1):  # Pillow's own count takes minutes for some files
        try:
            image.seek(page)
        except EOFError:
            pages = page
            break
    image.seek(0)
    return f"it is the first of {pages} pages"


def normal_picture(
    image: Image.Image,
    profile: bytes | None,
    most_pixels: int | None,
    size: tuple[int, int] | None = None,
) -> Image.Image:
    """An upright sRGB image of at most so many pixels.

    Args:
        size: the image's own, where its decoder was told to give less.
    """
    from PIL import Image

    before = _megapixels(size or image.size)
    image.load()  # what is wrong with the pixels themselves is raised here
    upright = _upright(image)
    if profile is None and image.mode != "CMYK" and "srgb" not in image.info:
        profile, unclear = profile_of_exif(image)
        add_notices(upright, *[unclear] * bool(unclear))
    normal = to_srgb(upright, profile, image.format)
    if most_pixels is not None and (fitting := _fitting(normal.size, most_pixels)) != normal.size:
        normal = normal.resize(fitting, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if (after := _megapixels(normal.size)) < before:
        add_notices(
            normal,
            f"it was scaled down from {before:.1f} to {after:.1f} megapixels "
            f"({normal.width}x{normal.height})",
        )
    return normal


def _megapixels(size: tuple[int, int]) -> float:
    return size[0] * size[1] / 1e6


def _upright(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return ImageOps.exif_transpose(image)
    except Exception as error:  # noqa: BLE001  a reader of foreign bytes may raise anything
        upright = image.copy()
        add_notices(upright, f"its EXIF data was ignored: {' '.join(str(error).split())[:120]}")
        return upright


def _fitting(size: tuple[int, int], most: int) -> tuple[int, int]:
    """The size in the same proportions that has at most so many pixels."""
    factor = min(1.0, (most / (size[0] * size[1])) ** 0.5)
    return max(1, int(size[0] * factor)), max(1, int(size[1] * factor))
