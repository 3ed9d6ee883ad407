"""Detects shapes, lines of letters, and things that are neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rr_refine.sketch.oracle.colours import (
    LETTERS,
    MeasuredBackground,
    PixelColours,
    nearest_colour,
)
from rr_refine.sketch.oracle.letters import read_line
from rr_refine.sketch.oracle.shape_fit import FittedShape, fit
from rr_refine.sketch.world.drawing import COLOUR_RGB, RADIUS, SIDE
from rr_refine.sketch.world.request import count_word
from rr_refine.sketch.world.scene import PLACES, Colour, Place, Shape

__all__ = [
    "Blob",
    "DetectedLine",
    "DetectedShape",
    "core",
    "find_blobs",
    "find_lines",
    "find_shapes",
    "grown",
    "place_of",
]

_FAINT: Final = 50
"""Levels off the background that make a thing; pink on beige, the faintest, is 78 off."""
_SPECK: Final = 12
"""Pixels that are too few to be anything."""
_STROKE: Final = 30
"""Pixels that are too few to be a letter: an I has more."""
_CORE: Final = 4
"""Pixels inside a blob without which it is a seam between other things."""
_LIKE: Final = 0.68
"""Likeness to its kind that a shape must have, 0 to 1. Blur takes most of it from thin shapes, but
they lead by most: a moon of 0.75 is not in doubt."""
_LIKE_COMPACT: Final = 0.88
"""The same for circles and squares: one of 0.85 may be anything."""
_LIKE_CUT: Final = 0.82
"""The same for pieces of a blob that was cut: any blob can be cut until its pieces look like
something."""
_SURE: Final = 0.95
"""What likeness and twice the lead must make together: 1.17 and more for clean shapes."""
_WIDEST: Final = 2.8 * RADIUS["large"]
"""Pixels that no single shape is wide."""
_DEEPEST: Final = 3
"""Cuts of one blob: at most four shapes of a colour hang together."""
_LINE_HEIGHTS: Final = (9, 22)
_LINE_WIDTH: Final = 84


@dataclass(frozen=True, slots=True)
class DetectedShape:
    """A shape that was recognised."""

    fitted: FittedShape
    colour: Colour
    rgb: NDArray[np.float32]
    """Measured, 0 to 255."""

    @property
    def shape(self) -> Shape:
        """What it is in a scene."""
        return Shape(
            kind=self.fitted.kind,
            colour=self.colour,
            size=self.fitted.size,
            place=place_of(self.fitted.x, self.fitted.y),
        )


@dataclass(frozen=True, slots=True)
class DetectedLine:
    """A line of letters that was recognised."""

    letters: str
    x: float
    y: float
    """The middle of its ink, pixels."""


def place_of(x: float, y: float) -> Place:
    """The place that a point is in; what is outside belongs to the nearest."""
    column, row = (min(2, max(0, int(along * 3 / SIDE))) for along in (x, y))
    return PLACES[3 * row + column]


def find_shapes(
    pixels: NDArray[np.float32], ground: MeasuredBackground, colours: PixelColours
) -> tuple[list[DetectedShape], list[str]]:
    """The shapes on `ground`, and what else is there, in words."""
    written = (colours.coverage > 0.5) & (colours.index == LETTERS)
    hidden = grown(written)
    solid = (colours.contrast > _FAINT) & ~written & ~(hidden & (colours.index == LETTERS))
    inside = core(solid)
    seen, strange = [], []
    for blob in find_blobs(solid, _SPECK):
        if inside[blob.rows, blob.columns].sum() < _CORE:
            continue
        for part in _of_one_colour(blob, pixels, inside):
            if shapes := _shapes_in(part, pixels, ground, solid, hidden, _DEEPEST):
                seen += shapes
            else:
                colour, sure = nearest_colour(_rgb_of(part, pixels, inside))
                name = f"{count_word(1, colour)} {colour} blob" if sure else "a colourless blob"
                where = place_of(part.columns.mean(), part.rows.mean())
                strange.append(f"{name} at the {where}")
    return seen, strange


def find_lines(colours: PixelColours) -> tuple[list[DetectedLine], list[str]]:
    """The lines of letters in `colours`, topmost first, and ink that is no line, in words."""
    written = (colours.coverage > 0.5) & (colours.index == LETTERS)
    seen, strange = [], []
    for cluster in find_blobs(grown(written, 4)):
        own = cluster.part(written[cluster.rows, cluster.columns])
        if own.size < _STROKE:
            continue
        top, bottom = int(own.rows.min()), int(own.rows.max()) + 1
        left, right = int(own.columns.min()), int(own.columns.max()) + 1
        x, y = (left + right) / 2, (top + bottom) / 2
        if _LINE_HEIGHTS[0] <= bottom - top <= _LINE_HEIGHTS[1] and right - left <= _LINE_WIDTH:
            ink = colours.coverage * (colours.index == LETTERS)
            line = read_line(ink[top:bottom, left:right])
            if line.clear:
                seen.append(DetectedLine(line.letters, x, y))
                continue
        strange.append(f"a mark like letters at the {place_of(x, y)}")
    return seen, strange


def _of_one_colour(
    blob: Blob, pixels: NDArray[np.float32], inside: NDArray[np.bool_]
) -> list[Blob]:
    """`blob`, or the parts that have different colours if shapes touch in it."""
    palette = np.array(list(COLOUR_RGB.values()), np.float32)
    distances = (palette**2).sum(axis=1) - 2 * pixels[blob.rows, blob.columns] @ palette.T
    inner = inside[blob.rows, blob.columns]
    counts = np.bincount(distances[inner].argmin(axis=1), minlength=len(palette))
    present = np.flatnonzero(counts >= max(16, 0.1 * inner.sum()))
    if len(present) < 2:
        return [blob]
    nearest = present[distances[:, present].argmin(axis=1)]
    parts = []
    for colour in present:
        mask = np.zeros(inside.shape, bool)
        chosen = nearest == colour
        mask[blob.rows[chosen], blob.columns[chosen]] = True
        parts += find_blobs(mask, 3 * _SPECK)
    return parts if sum(part.size for part in parts) > 0.8 * blob.size else [blob]


def _shapes_in(
    part: Blob,
    pixels: NDArray[np.float32],
    ground: MeasuredBackground,
    solid: NDArray[np.bool_],
    hidden: NDArray[np.bool_],
    cuts: int,
) -> list[DetectedShape]:
    """The shape that `part` is, or the shapes that it falls into when cut; none if neither."""
    mine = np.zeros(solid.shape, bool)
    mine[part.rows, part.columns] = True
    extents = [int(np.ptp(along)) + 1 for along in (part.rows, part.columns)]
    if max(extents) < _WIDEST:
        others = grown(solid & ~mine) & ~mine
        seen = _shape_of(part, mine, pixels, ground, hidden | others)
        if seen and (seen.fitted.likeness > _LIKE_CUT or cuts == _DEEPEST):
            return [seen]
    along = part.rows if extents[0] > extents[1] else part.columns
    cut = _narrowest(along)
    if not cuts or cut is None:
        return []
    halves = [
        _shapes_in(part.part(side), pixels, ground, solid, hidden, cuts - 1)
        for side in (along < cut, along >= cut)
    ]
    return [*halves[0], *halves[1]] if all(halves) else []


def _narrowest(along: NDArray[np.intp]) -> int | None:
    """Where a blob is narrowest, away from its ends; None where it is too short for two shapes."""
    first = int(along.min())
    profile = np.bincount(along - first)
    end = round(RADIUS["small"])
    if len(profile) < 2 * end + 1:
        return None
    return first + end + int(profile[end:-end].argmin())


def _shape_of(
    part: Blob,
    mine: NDArray[np.bool_],
    pixels: NDArray[np.float32],
    ground: MeasuredBackground,
    hidden: NDArray[np.bool_],
) -> DetectedShape | None:
    """The shape that `part` is, if it is one."""
    rgb = _rgb_of(part, pixels, core(mine))
    colour, sure = nearest_colour(rgb)
    if not sure:
        return None
    window = tuple(
        slice(max(0, int(along.min()) - 3), int(along.max()) + 4)
        for along in (part.rows, part.columns)
    )
    line = rgb - ground.rgb
    coverage = ((pixels[window] - ground.rgb) @ line / (line @ line)).clip(0, 1)
    coverage[(coverage < 0.1) | ~grown(mine, 2)[window]] = 0.0
    visible = ~hidden[window]
    if (coverage * visible).sum() < 3 * _SPECK:
        return None
    fitted = fit(coverage, visible, top=window[0].start, left=window[1].start)
    least = _LIKE_COMPACT if fitted.kind in ("circle", "square") else _LIKE
    clear = fitted.likeness > least and fitted.likeness + 2 * fitted.lead > _SURE
    return DetectedShape(fitted, colour, rgb) if clear else None


def _rgb_of(
    part: Blob, pixels: NDArray[np.float32], inside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The colour of a blob: the median inside it, where it has an inside."""
    inner = part.part(inside[part.rows, part.columns])
    chosen = inner if inner.size >= _CORE else part
    rgb: NDArray[np.float32] = np.median(pixels[chosen.rows, chosen.columns], axis=0)
    return rgb


@dataclass(frozen=True, slots=True)
class Blob:
    """Pixels that touch each other by their sides: equally long arrays of rows and columns."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    @property
    def size(self) -> int:
        """How many pixels."""
        return len(self.rows)

    def part(self, chosen: NDArray[np.bool_]) -> Blob:
        """Some of its pixels."""
        return Blob(rows=self.rows[chosen], columns=self.columns[chosen])


def find_blobs(mask: NDArray[np.bool_], smallest: int = 1) -> list[Blob]:
    """The connected parts of `mask` with at least `smallest` pixels, topmost first.

    Each pixel takes the least number among its own and those of its neighbours, and then the
    number of the pixel that this is, until nothing changes.
    """
    nothing = mask.size
    numbers = np.where(mask, np.arange(mask.size).reshape(mask.shape), nothing)
    before = np.empty_like(numbers)
    while (numbers != before).any():
        before = numbers
        wide = np.pad(before, 1, constant_values=nothing)
        beside = (wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:])
        least = np.minimum.reduce([before, *beside])
        numbers = np.where(mask, np.append(least, nothing)[least], nothing)
    rows, columns = np.nonzero(mask)
    owners = numbers[mask]
    order = np.argsort(owners, kind="stable")
    _, counts = np.unique(owners, return_counts=True)
    parts = np.split(order, np.cumsum(counts)[:-1]) if len(counts) else []
    return [Blob(rows[part], columns[part]) for part in parts if len(part) >= smallest]


def core(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of `mask` whose eight neighbours are in it too."""
    return ~grown(~mask)


def grown(mask: NDArray[np.bool_], by: int = 1) -> NDArray[np.bool_]:
    """`mask` and all pixels up to `by` rows and columns away."""
    for _ in range(by):
        mask = mask.copy()
        mask[1:] |= mask[:-1].copy()
        mask[:-1] |= mask[1:].copy()
        mask[:, 1:] |= mask[:, :-1].copy()
        mask[:, :-1] |= mask[:, 1:].copy()
    return mask
