"""Pictures on the way in: a file, bytes or an image of any kind becomes an upright sRGB image.

What others made is decoded in a process that can be ended (`rr_refine.picture_process`): all but
simple PNGs (`rr_refine.picture_file.simple_png`) and stored ones, which take little time and
memory. Whatever was done on the way (converted, laid over white, scaled, one frame of many) is
told in notices, see `rr_refine.notices`.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Final

from rr_refine.errors import BlankImageError, ConfigError, GeneratorError
from rr_refine.files import MAX_PICTURE, read_file
from rr_refine.picture_file import require_few_pixels, simple_png
from rr_refine.picture_process import look_apart, read_apart
from rr_refine.picture_reading import look_at, normal_picture, read_picture, read_png

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "SOURCE_PIXELS",
    "bare_copy",
    "check_picture",
    "decode_picture",
    "encode_jpeg",
    "encode_png",
    "load_picture",
    "load_stored",
    "picture_size",
    "rendered",
    "require_not_blank",
]

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
            return normal_picture(source, profile, most_pixels)
        except (ValueError, OSError) as error:
            raise ConfigError(f"a {source.mode!r} image cannot become RGB: {error}") from error
    name = str(source)
    if name.partition(":")[0].lower() in ("http", "https", "data", "ftp", "s3", "gs"):
        name = re.sub("(?<=:)/(?=[^/])", "//", name[:200], count=1)  # a `Path` leaves one out
        raise ConfigError(f"image {name!r} is an address: give a file (fetch the picture first)")
    try:
        return _read(Path(source).expanduser(), most_pixels)
    except FileNotFoundError:
        raise ConfigError(f"image {name!r} does not exist") from None
    except TypeError:
        kind = type(source).__name__
        raise ConfigError(f"an image is a path or a PIL image, not of type {kind!r}") from None
    except (ValueError, OSError, RuntimeError) as error:  # the last: no such user, in a `~name`
        raise ConfigError(f"image {name!r} cannot be read: {error}") from error


def decode_picture(data: bytes, *, most_pixels: int | None = None) -> Image.Image:
    """Decode an encoded picture (PNG, JPEG, …) as an upright sRGB image, as `load_picture` does.

    Raises:
        ValueError: the bytes are no picture that can be used; the message says why.
    """
    try:
        return _read(data, most_pixels)
    except ValueError as error:
        raise ValueError(f"what was sent, {len(data)} bytes, is no picture: {error}") from error


def load_stored(path: Path, *, within: Path | None = None) -> Image.Image:
    """A PNG file that was written by this program, pixel for pixel, without what it says of itself.

    Args:
        within: the folder that it was stored in, see `rr_refine.files`.

    Raises:
        ValueError: it is no PNG, too large, or broken.
        OSError: it cannot be read, or is no regular file.
    """
    return read_png(read_file(path, within=within, limit=MAX_PICTURE))


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture file; nothing is decoded.

    Raises:
        ValueError: it is no picture, too large, or broken.
        OSError: it cannot be read.
    """
    return _look(path, whole=False)[1]


def check_picture(source: Path | bytes, *, whole: bool = False) -> str:
    """The format of a picture: `PNG`, `JPEG`, …

    Args:
        whole: also decode it, to see that nothing is broken.

    Raises:
        ValueError: it is no picture, too large, or broken.
        OSError: it cannot be read.
    """
    return _look(source, whole=whole)[0]


def bare_copy(image: Image.Image) -> Image.Image:
    """The picture alone, without what came with it: metadata, a profile, notices."""
    copy = image.copy()
    copy.info = {}
    return copy


def encode_png(image: Image.Image) -> bytes:
    """The image as a PNG file that is sent, not kept."""
    buffer = io.BytesIO()
    # Level 1 takes a third of the default's time, and the bytes travel a local network at most.
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def rendered(given: object) -> Image.Image:
    """What a generator gave, as an RGB picture.

    Raises:
        GeneratorError: it is no picture, or too large to be read again.
        BlankImageError: every pixel is black.
    """
    from PIL import Image

    if not isinstance(given, Image.Image):
        raise GeneratorError(f"the generator gave {shortened(given)}, which is no PIL.Image.Image")
    try:
        require_few_pixels(*given.size)
        most = 2 * (Image.MAX_IMAGE_PIXELS or given.width * given.height)
        if given.width * given.height > most:
            raise ValueError(
                f"{given.width}x{given.height} pixels are more than Pillow opens again, {most:,}: "
                "draw a smaller one, or raise PIL.Image.MAX_IMAGE_PIXELS in your program"
            )
        picture = given if given.mode == "RGB" else load_picture(given)
    except (ValueError, ConfigError) as error:
        raise GeneratorError(f"the generator's picture cannot be kept: {error}") from error
    require_not_blank(picture)
    return picture


def encode_jpeg(image: Image.Image, quality: int) -> bytes:
    """The image as JPEG, as Pillow writes it by default but for the quality, 1 to 95."""
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=quality)
    return file.getvalue()


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
    data = simple_png(source)
    if data is not None:
        return read_picture(data, most_pixels)
    return read_apart(source, most_pixels)


def _look(source: Path | bytes, *, whole: bool) -> tuple[str, tuple[int, int]]:
    data = simple_png(source)
    if data is not None:
        return look_at(data, whole=whole)
    return look_apart(source, whole=whole)
