"""Classical vision that reads a picture back into a scene: for labels, tests and grades.

It measures the background, unmixes which colour covers each pixel, cuts the covered pixels into
blobs of one colour, and compares each with every shape (`colours`, `detection`, `shape_fit`). What
resembles nothing it admits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from rr_refine.sketch.oracle.colours import (
    MeasuredBackground,
    PixelColours,
    measure_background,
    spread,
    unmix_colours,
)
from rr_refine.sketch.oracle.detection import (
    DetectedLine,
    DetectedShape,
    find_lines,
    find_shapes,
    grown,
    place_of,
)
from rr_refine.sketch.world.drawing import (
    BACKGROUND_RGB,
    COLOUR_RGB,
    SIDE,
    ink_of,
    silhouette,
    write,
)
from rr_refine.sketch.world.scene import (
    WORD_PLACES,
    WORDS,
    Background,
    Lettering,
    Place,
    Scene,
    Shape,
    in_order,
)
from rr_refine.terms import Record

__all__ = ["SceneReading", "read_picture"]


class SceneReading(Record):
    """What the oracle read in a picture, and what it could not read."""

    scene: Scene | None = None
    """All of it as a scene; None where it is none: no shape, something unreadable, letters that are
    no known word, two things in one place, more than five shapes."""
    residual: float
    """How far the picture is from a clean drawing of what was read, 0 (not at all) to 1: the mean
    absolute difference over the inked pixels of the worst of the nine places."""
    doubts: tuple[str, ...]
    """What could not be read: `a purple blob at the left`."""
    background: Background | None = None
    shapes: tuple[Shape, ...] = ()
    """What was read with confidence, in reading order, even where there is no scene."""
    lettering: Lettering | None = None
    """A known word, read exactly, where a word can stand."""
    letters: str | None = None
    """What letters were read, even if they are no known word; None where there are none. Several
    lines have a space between them."""
    letters_at: tuple[Place, ...] = ()
    """Where each line of letters stands, the topmost first."""


def read_picture(image: Image.Image) -> SceneReading:
    """Read `image`, of any mode and size; it is compared as 128 x 128 RGB pixels."""
    image = image.convert("RGB")
    if image.size != (SIDE, SIDE):
        image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=3.0)
    pixels = np.asarray(image, np.float32)
    ground = measure_background(pixels)
    if ground is None:
        return SceneReading(residual=1.0, doubts=("any background",))
    colours = unmix_colours(pixels, ground)
    shapes, blobs = find_shapes(pixels, ground, colours)
    lines, marks = find_lines(colours)
    doubts = [*([] if ground.name else ["the colour of the background"]), *blobs, *marks]
    if not shapes and not doubts:
        doubts = ["any shape"]
    lettering = _lettering(lines)
    reading = SceneReading(
        residual=_residual_of(pixels, ground, colours, shapes, lines),
        doubts=tuple(dict.fromkeys(doubts)),
        background=ground.name,
        shapes=in_order(seen.shape for seen in shapes),
        lettering=lettering,
        letters=" ".join(line.letters for line in lines) or None,
        letters_at=tuple(place_of(line.x, line.y) for line in lines),
    )
    if doubts or (lines and not lettering):
        return reading
    try:
        scene = Scene.model_validate(
            {"background": ground.name, "shapes": reading.shapes, "lettering": lettering}
        )
    except ValidationError:  # two things in one place, or too many
        return reading
    return reading.model_copy(update={"scene": scene})


def _lettering(lines: list[DetectedLine]) -> Lettering | None:
    """The word, if the lines are one known word where a word can stand."""
    if len(lines) != 1 or lines[0].letters not in WORDS:
        return None
    place = place_of(lines[0].x, lines[0].y)
    read = {"word": lines[0].letters, "place": place}
    return Lettering.model_validate(read) if place in WORD_PLACES else None


_TINT: Final = 8
"""Levels that a clean colour may be off: its jitter, and a little."""
_STRAY: Final = 24
"""Levels off the background that make a bare pixel count."""
_LEAST: Final = 100
"""Pixels that a place counts with at least, so that one stray pixel is no fault."""
_PLACE: Final = np.arange(SIDE) * 3 // SIDE


def _residual_of(
    pixels: NDArray[np.float32],
    ground: MeasuredBackground,
    colours: PixelColours,
    shapes: Sequence[DetectedShape],
    lines: Sequence[DetectedLine],
) -> float:
    """The mean absolute difference to a clean redraw, 0 to 1, in the worst of the nine places.

    The redraw has the shapes where they were found, as large as they were found, in colours as near
    to those found as clean drawing comes. What counts is the pixels that the redraw covers with
    ink, two more around them, and all others that are clearly not background.
    """
    base = _clean(ground.rgb, BACKGROUND_RGB[ground.name]) if ground.name else ground.rgb
    redraw = Image.new("RGB", (SIDE, SIDE), _whole(base))
    for seen in shapes:
        mask = silhouette(seen.fitted.kind, (seen.fitted.x, seen.fitted.y), seen.fitted.radius)
        redraw.paste(_whole(_clean(seen.rgb, COLOUR_RGB[seen.colour])), mask=mask)
    clean = np.asarray(redraw, np.float32)
    for line in lines:
        ink = np.array(ink_of(ground.name or "white"), np.float32)
        covered = _written(line, colours)[..., None]
        clean = clean * (1 - covered) + ink * covered
    difference = np.abs(pixels - clean).mean(axis=2) / 255
    counts = grown(spread(clean, base.round()) > 4, 2) | (colours.contrast > _STRAY)
    place = (3 * _PLACE[:, None] + _PLACE)[counts]
    sums = np.bincount(place, difference[counts], minlength=9)
    return float((sums / np.bincount(place, minlength=9).clip(_LEAST)).max())


def _clean(rgb: NDArray[np.float32], nominal: tuple[int, int, int]) -> NDArray[np.float32]:
    middle = np.array(nominal, np.float32)
    clean: NDArray[np.float32] = rgb.clip(middle - _TINT, middle + _TINT)
    return clean


def _whole(rgb: NDArray[np.float32]) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, round(level))) for level in rgb.tolist())
    return red, green, blue


def _written(line: DetectedLine, colours: PixelColours) -> NDArray[np.float32]:
    """The line's letters as coverage, moved by halves of pixels to where they fit best."""
    x, y = round(line.x), round(line.y)
    image = Image.new("RGB", (SIDE, SIDE))
    write(image, line.letters, (x, y), (255, 255, 255))
    drawn = np.asarray(image, np.float32)[..., 0] / 255
    window = slice(max(0, y - 12), y + 12), slice(max(0, x - 48), x + 48)
    near, ink = drawn[window], colours.coverage[window]
    halves = [(near + np.roll(near, 1, axis=1)) / 2, near]
    looks = [look for half in halves for look in ((half + np.roll(half, 1, axis=0)) / 2, half)]
    moved = (
        np.roll(look, (down, right), (0, 1))
        for look in looks
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    )
    best = np.zeros((SIDE, SIDE), np.float32)
    best[window] = min(moved, key=lambda mask: float(np.abs(mask - ink).sum()))
    return best
