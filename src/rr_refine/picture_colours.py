"""Pixels of any kind become 8-bit RGB in sRGB, and what was done is told in notices."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Final

from rr_refine.notices import add_notices

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageCms import ImageCmsProfile

__all__ = ["to_srgb"]

_DEPTHS: Final = (1, 8, 10, 12, 14, 16)
"""Bits of the values in files that have more room than they use."""
_NEAR: Final = 3
"""Steps of 255 by which a profile may differ from sRGB and still be one of its many spellings."""


def to_srgb(image: Image.Image, profile: bytes | None, kind: str | None) -> Image.Image:
    """The picture in mode RGB and the colours of sRGB; transparency is laid over white.

    Args:
        profile: the ICC profile of its colours; None where it has none.
        kind: the format of its file, if it comes from one.

    Raises:
        ValueError: its values cannot be told to be a picture.
    """
    told: list[str] = []
    image = _eight_bits(image, kind, told)
    alpha = None
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    if image.mode in ("P", "PA", "RGBX", "YCbCr", "HSV", "1") or alpha is not None:
        image = image.convert("RGB")
    if profile is not None or image.mode == "LAB":
        image = _converted(image, profile, told)
    elif image.mode == "CMYK":
        told.append("its CMYK colours have no profile, so that they are only near the right ones")
    if image.mode != "RGB":
        image = image.convert("RGB")
    if alpha is not None and alpha.getextrema()[0] != 255:
        told.append("its transparent parts were laid over white")
        image = _over_white(image, alpha)
    for used in ("icc_profile", "transparency", "exif"):
        image.info.pop(used, None)
    add_notices(image, *told)
    return image


def _over_white(image: Image.Image, alpha: Image.Image) -> Image.Image:
    from PIL import Image

    image.putalpha(alpha)
    over = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    over.info = image.info
    return over


def _eight_bits(image: Image.Image, kind: str | None, told: list[str]) -> Image.Image:
    """The picture with 8 bits a channel; Pillow's own conversion clips deeper ones at 255."""
    from PIL import ImageMath

    mode = image.mode
    if not (mode == "F" or mode.startswith("I")):
        return image
    if mode != "F":
        image = image.convert("I")
    low, high = image.getextrema()
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    if mode == "F":
        odd = ImageMath.lambda_eval(lambda args: args["x"] != args["x"], x=image)
        if odd.getextrema() != (0, 0) or not math.isfinite(low) or not math.isfinite(high):
            raise ValueError("it holds values that are no numbers (NaN or infinite)")
    top = float(high)
    if mode.startswith("I;16") and kind != "TIFF":
        low, top = 0, 65535.0
    elif low >= 0 and mode == "F" and high <= 1:
        low, top = 0, 1.0
    elif low >= 0 and high < 65536:
        low, top = 0, next(2**bits - 1.0 for bits in _DEPTHS if high < 2**bits)
    if low == top:
        raise ValueError(f"all its pixels have the value {low:g}, which says nothing of a colour")
    if top not in (255.0, 65535.0):
        told.append(f"its values from {low:g} to {top:g} were scaled to 0 to 255")
    elif mode.startswith("I;16") and top == 255:  # or it is a very dark one
        told.append("its 16-bit values, none of them above 255, were taken for 8-bit ones")
    if top == 65535:
        return image.point(lambda v: v / 256).convert("L")
    return image.point(lambda v: v * (255 / (top - low)) - low * 255 / (top - low)).convert("L")


def _converted(image: Image.Image, profile: bytes | None, told: list[str]) -> Image.Image:
    """The picture in sRGB, by its profile."""
    from PIL import Image, ImageCms, features

    if not features.check("littlecms2"):
        told.append("its colour profile was ignored: this installation of Pillow has no LittleCMS")
        return image
    try:
        own = (
            ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
            if profile is None or image.mode == "LAB"
            else ImageCms.ImageCmsProfile(io.BytesIO(profile))
        )
        if image.mode == "L" and own.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")
        srgb = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(
            own,
            srgb,
            image.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if image.mode in ("RGB", "L"):
            probe = _probe(image.mode)
            if _distance(probe.convert("RGB"), transform.apply(probe)) <= _NEAR:
                return image
        info, image = dict(image.info), transform.apply(image)
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        told.append(f"its colour profile was ignored: {' '.join(str(error).split())[:120]}")
        return image
    image.info = info
    name = "Lab" if profile is None else _name(own)
    told.append(f"its colours were converted from {name} to sRGB")
    assert isinstance(image, Image.Image)
    return image


def _name(profile: ImageCmsProfile) -> str:
    from PIL import ImageCms

    try:
        text = ImageCms.getProfileDescription(profile)
    except ImageCms.PyCMSError:
        text = ""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown[:60] or "another colour space"


def _probe(mode: str) -> Image.Image:
    """A picture of colours from the whole space."""
    from PIL import Image

    steps = range(0, 256, 51)
    if mode == "L":
        probe = Image.new("L", (len(steps), 1))
        probe.putdata(list(steps))
        return probe
    colours = [(r, g, b) for r in steps for g in steps for b in steps]
    probe = Image.new("RGB", (len(colours), 1))
    probe.putdata(colours)
    return probe


def _distance(one: Image.Image, other: Image.Image) -> int:
    """The most by which a channel differs."""
    from PIL import ImageChops

    extrema = ImageChops.difference(one, other).getextrema()
    return max(int(high) for _, high in extrema)  # type: ignore[misc]
