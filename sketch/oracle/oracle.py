"""Classical vision that reads a picture back into a scene: for labels, tests and grades.

It finds the paper, unmixes what ink covers each pixel, cuts the covered pixels into blobs of one
colour, and compares each blob with every shape (`palette`, `sightings`, `forms`, `glyphs`). What
resembles nothing it admits.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from pydantic import ValidationError

from rr_refine.sketch.oracle.sightings import SeenLine, find_lines, find_shapes, place_of
from rr_refine.sketch.world.drawing import SIDE
from rr_refine.sketch.world.palette import read_inks, read_paper
from rr_refine.sketch.world.redrawing import residual_of
from rr_refine.sketch.world.scene import (
    PLACES,
    WORD_PLACES,
    WORDS,
    Background,
    Lettering,
    Place,
    Scene,
    Shape,
)
from rr_refine.terms import Record

__all__ = ["Reading", "read_picture"]


class Reading(Record):
    """What the oracle read in a picture, and what it could not read."""

    scene: Scene | None
    """All of it as a scene; None where it is none: no shape, something unreadable, letters that are
    no known word, two things in one place, more than five shapes."""
    residual: float
    """How far the picture is from a clean drawing of what was read, 0 (not at all) to 1: the mean
    absolute difference over the inked pixels of the worst of the nine places. See
    `rr_refine.sketch.world.redrawing`."""
    doubts: tuple[str, ...]
    """What could not be read: `a purple blob at the left`."""
    background: Background | None
    shapes: tuple[Shape, ...]
    """What was read with confidence, in reading order, even where there is no scene."""
    lettering: Lettering | None
    """A known word, read exactly, where a word can stand."""
    letters: str | None
    """What letters were read, even if they are no known word; None where there are none. Several
    lines have a space between them."""
    letters_at: tuple[Place, ...] = ()
    """Where each line of letters stands, the topmost first."""


def read_picture(image: Image.Image) -> Reading:
    """Read `image`, of any mode and size; it is compared as 128 x 128 RGB pixels."""
    image = image.convert("RGB")
    if image.size != (SIDE, SIDE):
        image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=3.0)
    pixels = np.asarray(image, np.float32)
    paper = read_paper(pixels)
    if paper is None:
        return Reading(
            scene=None,
            residual=1.0,
            doubts=("any background",),
            background=None,
            shapes=(),
            lettering=None,
            letters=None,
        )
    inks = read_inks(pixels, paper)
    shapes, blobs = find_shapes(pixels, paper, inks)
    lines, marks = find_lines(inks)
    doubts = [*([] if paper.name else ["the colour of the background"]), *blobs, *marks]
    if not shapes and not doubts:
        doubts = ["any shape"]
    lettering = _lettering(lines)
    read = sorted((seen.shape for seen in shapes), key=lambda shape: PLACES.index(shape.place))
    reading = Reading(
        scene=None,
        residual=residual_of(pixels, paper, inks, shapes, lines),
        doubts=tuple(dict.fromkeys(doubts)),
        background=paper.name,
        shapes=tuple(read),
        lettering=lettering,
        letters=" ".join(line.letters for line in lines) or None,
        letters_at=tuple(place_of(line.x, line.y) for line in lines),
    )
    if doubts or (lines and not lettering):
        return reading
    try:
        scene = Scene.model_validate(
            {"background": paper.name, "shapes": reading.shapes, "lettering": lettering}
        )
    except ValidationError:  # two things in one place, or too many
        return reading
    return reading.model_copy(update={"scene": scene})


def _lettering(lines: list[SeenLine]) -> Lettering | None:
    """The word, if the lines are one known word where a word can stand."""
    known = {(word, place) for word in WORDS for place in WORD_PLACES}
    read = [(line.letters, place_of(line.x, line.y)) for line in lines]
    if len(read) != 1 or read[0] not in known:
        return None
    return Lettering.model_validate({"word": read[0][0], "place": read[0][1]})
