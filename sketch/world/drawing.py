"""A scene becomes a picture: antialiased shapes with small jitter, drawn by Pillow."""

from __future__ import annotations

import math
from random import Random
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from rr_refine.sketch.world.scene import Background, Colour, Kind, Place, Scene, Size, cell_of

__all__ = [
    "BACKGROUND_RGB",
    "COLOUR_RGB",
    "LETTER_HEIGHT",
    "RADIUS",
    "SIDE",
    "centre_of",
    "draw",
    "ink_of",
    "silhouette",
    "write",
]

SIDE: Final = 128
"""Pixels, width and height."""
RADIUS: Final[dict[Size, float]] = {"small": 12.0, "large": 16.5}
"""Pixels from a shape's centre to its farthest points."""
LETTER_HEIGHT: Final = 15
"""Pixels of a capital letter, about."""

COLOUR_RGB: Final[dict[Colour, tuple[int, int, int]]] = {
    "red": (216, 32, 40),
    "orange": (248, 136, 24),
    "yellow": (252, 220, 48),
    "green": (40, 152, 64),
    "cyan": (56, 200, 220),
    "blue": (40, 80, 216),
    "purple": (128, 48, 176),
    "pink": (252, 136, 192),
}
BACKGROUND_RGB: Final[dict[Background, tuple[int, int, int]]] = {
    "white": (250, 250, 250),
    "black": (24, 24, 24),
    "gray": (148, 148, 148),
    "beige": (230, 214, 184),
}

_OVERSAMPLING: Final = 4
_SHIFT: Final = 2.5
"""Jitter of a centre, pixels in x and in y."""
_STRETCH: Final = 0.05
"""Jitter of a radius, relative."""
_TINT: Final = 5
"""Jitter of a colour, levels of 255 a channel."""


def draw(scene: Scene, random: Random | None = None) -> Image.Image:
    """Draw `scene` as a 128 x 128 RGB image; without `random`, with no jitter.

    One number is taken from `random`, and each thing's jitter follows from it and from the thing's
    place: two scenes drawn from equal states agree, pixel by pixel, in what they share.
    """
    drawing = random.getrandbits(32) if random else None

    def jitter_of(thing: str) -> Random:
        return _NoJitter() if drawing is None else Random(f"{drawing} {thing}")

    ground = _tinted(BACKGROUND_RGB[scene.background], jitter_of("paper"))
    image = Image.new("RGB", (SIDE, SIDE), ground)
    for shape in scene.shapes:
        jitter = jitter_of(shape.place)
        centre = _moved(centre_of(shape.place), jitter)
        radius = RADIUS[shape.size] * (1 + jitter.uniform(-_STRETCH, _STRETCH))
        outline = silhouette(shape.kind, centre, radius)
        image.paste(_tinted(COLOUR_RGB[shape.colour], jitter), mask=outline)
    if scene.lettering:
        place = scene.lettering.place
        centre = _moved(centre_of(place), jitter_of(place))
        write(image, scene.lettering.word, centre, ink_of(scene.background))
    return image


def centre_of(place: Place) -> tuple[float, float]:
    """The middle of a place: x and y in pixels."""
    row, column = cell_of(place)
    return (column + 0.5) * SIDE / 3, (row + 0.5) * SIDE / 3


def ink_of(background: Background) -> tuple[int, int, int]:
    """The colour of letters on `background`."""
    return (245, 245, 245) if background == "black" else (16, 16, 16)


def silhouette(kind: Kind, centre: tuple[float, float], radius: float) -> Image.Image:
    """How much of each pixel a shape covers: a 128 x 128 image of mode L."""
    large = Image.new("L", (SIDE * _OVERSAMPLING, SIDE * _OVERSAMPLING))
    pen = ImageDraw.Draw(large)
    for outline, fill in _outlines(kind):
        points = [
            ((centre[0] + radius * x) * _OVERSAMPLING, (centre[1] + radius * y) * _OVERSAMPLING)
            for x, y in outline
        ]
        pen.polygon(points, fill=fill)
    return large.reduce(_OVERSAMPLING)


def _outlines(kind: Kind) -> list[tuple[list[tuple[float, float]], int]]:
    """Polygons in the unit circle, y down, and their filling: 255, or 0 for a hole."""
    match kind:
        case "circle":
            return [(_round(1.0), 255)]
        case "ring":
            return [(_round(1.0), 255), (_round(0.55), 0)]
        case "moon":
            return [(_round(1.0), 255), ([(x + 0.5, y) for x, y in _round(0.86)], 0)]
        case "square":
            return [([(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)], 255)]
        case "triangle":
            return [([(0.0, -0.95), (0.95, 0.75), (-0.95, 0.75)], 255)]
        case "star":
            radii = [1.08 if point % 2 == 0 else 0.44 for point in range(10)]
            angles = [math.pi * point / 5 - math.pi / 2 for point in range(10)]
            star = [
                (r * math.cos(a), r * math.sin(a) + 0.06)
                for r, a in zip(radii, angles, strict=True)
            ]
            return [(star, 255)]
        case "cross":
            arm = 0.32
            quarter = [(arm, -1.0), (arm, -arm), (1.0, -arm)]
            cross = [_turned(point, turn) for turn in range(4) for point in quarter]
            return [(cross, 255)]
        case "heart":
            return [(_heart(), 255)]


def _round(radius: float) -> list[tuple[float, float]]:
    steps = [2 * math.pi * step / 64 for step in range(64)]
    return [(radius * math.cos(angle), radius * math.sin(angle)) for angle in steps]


def _turned(point: tuple[float, float], quarters: int) -> tuple[float, float]:
    x, y = point
    for _ in range(quarters):
        x, y = -y, x
    return x, y


def _heart() -> list[tuple[float, float]]:
    """The well-known curve x = 16 sin^3 t, scaled into the unit circle."""
    outline = []
    for step in range(64):
        t = 2 * math.pi * step / 64
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        outline.append((x / 16, -(y + 2.5) / 15.5))
    return outline


def write(
    image: Image.Image, word: str, centre: tuple[float, float], ink: tuple[int, int, int]
) -> None:
    """Write `word` on `image` with its middle at `centre` (x, y in pixels)."""
    font = ImageFont.load_default(size=LETTER_HEIGHT * 1.4)
    ImageDraw.Draw(image).text(
        centre, word, fill=ink, font=font, anchor="mm", stroke_width=0.5, stroke_fill=ink
    )


class _NoJitter(Random):
    """Draws a thing exactly as it is meant."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 (the interface of Random)
        return 0.0

    def randint(self, a: int, b: int) -> int:  # noqa: ARG002
        return 0


def _moved(centre: tuple[float, float], jitter: Random) -> tuple[float, float]:
    x, y = (jitter.uniform(-_SHIFT, _SHIFT) for _ in range(2))
    return centre[0] + x, centre[1] + y


def _tinted(levels: tuple[int, int, int], jitter: Random) -> tuple[int, int, int]:
    r, g, b = (min(255, max(0, n + jitter.randint(-_TINT, _TINT))) for n in levels)
    return r, g, b
