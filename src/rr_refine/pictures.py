"""Pictures on the way in: a file, bytes or an image of any kind becomes an upright sRGB image.

Whatever was done on the way (converted, laid over white, scaled, one frame of many) is told in
notices, see `rr_refine.notices`.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rr_refine.errors import BlankImageError, ConfigError
from rr_refine.files import MAX_PICTURE, read_file
from rr_refine.notices import add_notices, notices_of
from rr_refine.picture_colours import to_srgb
from rr_refine.picture_file import broken, open_picture_file, require_few_pixels

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "SOURCE_PIXELS",
    "check_picture",
    "decode_picture",
    "encode_png",
    "load_picture",
    "load_stored",
    "picture_size",
    "require_not_blank",
]

_MOST_PAGES: Final = 100
"""Pages of a TIFF that are counted."""

SOURCE_PIXELS: Final = 2**24
"""Most pixels of a picture to edit: 4096 x 4096. No model takes more, most take a megapixel."""


def load_picture(
    source: Image.Image | Path | str, *, most_pixels: int | None = None
) -> Image.Image:
    """Open `source` as an upright sRGB image; transparency is laid over white.

    Args:
        most_pixels: a larger one is scaled down.

    Raises:
        ConfigError: the file is missing, too large, or no picture that can be used.
    """
    from PIL import Image

    if isinstance(source, Image.Image):
        try:
            require_few_pixels(*source.size)
            profile = source.info.get("icc_profile")
            return _normal(source, profile, most_pixels)
        except (ValueError, OSError) as error:
            raise ConfigError(f"a {source.mode!r} image cannot become RGB: {error}") from error
    name = str(source)
    if name.partition(":")[0].lower() in ("http", "https", "data", "ftp", "s3", "gs"):
        raise ConfigError(
            f"image {name[:200]!r} is an address: give a file (fetch the picture first)"
        )
    try:
        return _read(Path(source).expanduser(), most_pixels)
    except FileNotFoundError:
        raise ConfigError(f"image {name!r} does not exist") from None
    except Exception as error:  # a decoder of foreign bytes may raise anything
        raise ConfigError(f"image {name!r} cannot be read: {error}") from error


def decode_picture(data: bytes, *, most_pixels: int | None = None) -> Image.Image:
    """Decode an encoded picture (PNG, JPEG, …) as an upright sRGB image, as `load_picture` does.

    Raises:
        ValueError: the bytes are no picture that can be used; the message says why.
    """
    try:
        return _read(data, most_pixels)
    except Exception as error:  # a decoder of foreign bytes may raise anything
        raise ValueError(f"{len(data)} bytes that are no picture: {error}") from error


def load_stored(path: Path, *, within: Path | None = None) -> Image.Image:
    """A PNG file that was written by this program, pixel for pixel, without what it says of itself.

    Args:
        within: the folder that it was stored in, see `rr_refine.files`.

    Raises:
        ValueError: it is no PNG, too large, or broken.
        OSError: it cannot be read, or is no regular file.
    """
    data = read_file(path, within=within, limit=MAX_PICTURE)
    with open_picture_file(data, only="PNG") as (image, _), _decoding("PNG"):
        image.load()
        bare = image.copy()
    bare.info = {}
    return bare


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture file; nothing is decoded.

    Raises:
        ValueError: it is no picture, too large, or broken.
        OSError: it cannot be read.
    """
    with open_picture_file(path) as (image, _):
        return image.size


def check_picture(source: Path | bytes, *, whole: bool = False) -> str:
    """The format of a picture: `PNG`, `JPEG`, …

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
    return kind


def encode_png(image: Image.Image) -> bytes:
    """The image as a PNG file that is sent, not kept."""
    buffer = io.BytesIO()
    # Level 1 takes a third of the default's time, and the bytes travel a local network at most.
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def require_not_blank(image: Image.Image) -> None:
    """Refuse an image whose every pixel is black: nobody's render, but a fault's usual face.

    Raises:
        BlankImageError: every pixel is black.
    """
    if not image.convert("RGB").getbbox():
        raise BlankImageError(
            f"the generator returned a {image.width}x{image.height} image that is all black: "
            "half precision may have overflowed (try dtype='bfloat16' or 'float32'), "
            "or a safety filter blanked it"
        )


def _read(source: Path | bytes, most_pixels: int | None) -> Image.Image:
    with open_picture_file(source) as (image, profile), _decoding(str(image.format)):
        frames = _frames(image)
        size = image.size
        if most_pixels is not None and size[0] * size[1] > most_pixels:
            # A JPEG can be decoded at a half or a quarter of its size: the eighth of the memory.
            image.draft(None, _fitting(size, most_pixels))
        normal = _normal(image, profile, most_pixels, size)
    if frames:
        add_notices(normal, frames)
    return normal


@contextmanager
def _decoding(kind: str) -> Iterator[None]:
    """What a decoder raises, as a ValueError in words."""
    try:
        yield
    except ValueError:
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


def _normal(
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
    normal = to_srgb(_upright(image), profile, image.format)
    if most_pixels is not None and (fitting := _fitting(normal.size, most_pixels)) != normal.size:
        told = notices_of(normal)
        normal = normal.resize(fitting, Image.Resampling.LANCZOS, reducing_gap=3.0)
        add_notices(normal, *told[len(notices_of(normal)) :])
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

    image.load()  # what is wrong with the pixels themselves is raised here
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
