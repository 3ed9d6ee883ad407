"""Pictures on the way in: a file, bytes or an image of any mode becomes an upright RGB image."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rr_refine.errors import BlankImageError, ConfigError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["decode_picture", "encode_png", "load_picture", "require_not_blank"]


def load_picture(source: Image.Image | Path | str) -> Image.Image:
    """Open `source` as an upright RGB image; transparency is laid over white.

    Raises:
        ConfigError: the file is missing or is no picture that Pillow can read.
    """
    from PIL import Image

    if isinstance(source, Image.Image):
        try:
            return _upright_rgb(source)
        except ValueError as error:
            raise ConfigError(f"a {source.mode!r} image cannot become RGB: {error}") from error
    try:
        return _read(Path(source).expanduser())
    except FileNotFoundError:
        raise ConfigError(f"image {str(source)!r} does not exist") from None
    except Exception as error:  # a decoder of foreign bytes may raise anything
        raise ConfigError(f"image {str(source)!r} cannot be read: {error}") from error


def decode_picture(data: bytes) -> Image.Image:
    """Decode an encoded picture (PNG, JPEG, …) as an upright RGB image, as `load_picture` does.

    Raises:
        ValueError: the bytes are no picture that Pillow can read; the message says why.
    """
    from PIL import UnidentifiedImageError

    try:
        return _read(io.BytesIO(data))
    except UnidentifiedImageError:
        raise ValueError(f"{len(data)} bytes that are no picture") from None
    except Exception as error:  # a decoder of foreign bytes may raise anything
        raise ValueError(f"{len(data)} bytes that are a broken picture: {error}") from error


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


def _read(file: Path | IO[bytes]) -> Image.Image:
    from PIL import Image

    with Image.open(file) as image:
        return _upright_rgb(image)


def _upright_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips 16-bit grey at 255, so that most of it turns white.
        image = image.convert("I").point(lambda v: v / 256)
    if image.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image if image.mode == "RGB" else image.convert("RGB")
