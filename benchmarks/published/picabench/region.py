"""The part of a picture that a question is about, as the judge is shown it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["LONG_EDGE", "PADDING", "Area", "on_canvas", "region", "shift"]

LONG_EDGE: Final = 1024
"""Pixels; boxes are in a canvas of this long edge, and so large is what the judge is shown."""
PADDING: Final = 20
"""Pixels of the canvas around a box that are shown, too; the official default."""


class Area(BaseModel):
    """A rectangle from its top left corner; pixels, with fractions. Other fields are left out."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    x: float
    y: float
    width: float
    height: float


def on_canvas(image: Image.Image) -> Image.Image:
    """The picture, enlarged or reduced (Lanczos) to the canvas."""
    from PIL import Image

    if max(image.size) == LONG_EDGE:
        return image
    scale = LONG_EDGE / max(image.size)
    width, height = (max(1, int(edge * scale)) for edge in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def region(image: Image.Image, box: Area | None) -> Image.Image:
    """The box with its padding, cut out of the canvas and enlarged to it again.

    The whole picture where there is no box, or it lies outside.
    """
    whole = on_canvas(image)
    if box is None:
        return whole
    left, top = round(max(0, box.x - PADDING)), round(max(0, box.y - PADDING))
    right = round(min(whole.width, box.x + box.width + PADDING))
    bottom = round(min(whole.height, box.y + box.height + PADDING))
    if right <= left or bottom <= top:
        return whole
    return on_canvas(whole.crop((left, top, right, bottom)))


def shift(source: tuple[int, int], edited: tuple[int, int]) -> float:
    """How far a box may miss what it is about, for an edited picture of another aspect ratio.

    Args:
        source: width and height of the picture that the boxes were drawn on.
        edited: those of the picture that they are applied to.

    Returns:
        The larger difference of the canvas's edges, in its pixels; below `PADDING` nothing that a
        box holds is lost.
    """
    return max(
        abs(before * LONG_EDGE / max(source) - after * LONG_EDGE / max(edited))
        for before, after in zip(source, edited, strict=True)
    )
