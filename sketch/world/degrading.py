"""Pictures made worse: a little, as every real picture is, or with faults that anyone sees."""

from __future__ import annotations

import io
from collections.abc import Callable
from random import Random
from typing import Final, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from rr_refine.pictures import decode_picture

__all__ = ["Strength", "degrade"]

Strength = Literal["light", "heavy"]


def degrade(image: Image.Image, random: Random, strength: Strength) -> Image.Image:
    """`image` made worse, an RGB image of the same size.

    `light` is a slight blur, noise, change of brightness, and JPEG compression: a person has to
    look twice. `heavy` has one to three faults before it that are seen at once: strong blur, strong
    noise, a smear, blotches, or a piece that is missing.
    """
    image = image.convert("RGB")
    if strength == "heavy":
        for fault in random.sample(_FAULTS, random.randint(1, 3)):
            image = fault(image, random)
    image = _blurred(image, random.uniform(0.0, 0.7))
    image = _brighter(image, random.uniform(-5.0, 5.0))
    image = _noisy(image, random, random.uniform(0.0, 4.0))
    return _compressed(image, random.randint(85, 95))


def _blurred(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius))


def _brighter(image: Image.Image, levels: float) -> Image.Image:
    return image.point([min(255, max(0, round(level + levels))) for level in range(256)] * 3)


def _noisy(image: Image.Image, random: Random, deviation: float) -> Image.Image:
    """Gaussian noise, in levels, in each channel of each pixel for itself."""
    numbers = np.random.default_rng(random.getrandbits(32))
    noise = numbers.normal(0.0, deviation, (image.height, image.width, 3))
    return Image.fromarray((np.asarray(image) + noise).round().clip(0, 255).astype(np.uint8))


def _compressed(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return decode_picture(file.getvalue())


def _much_blurred(image: Image.Image, random: Random) -> Image.Image:
    return _blurred(image, random.uniform(1.8, 3.5))


def _much_noisier(image: Image.Image, random: Random) -> Image.Image:
    return _noisy(image, random, random.uniform(18.0, 40.0))


def _smeared(image: Image.Image, random: Random) -> Image.Image:
    """A band of the picture is dragged along itself."""
    pixels = np.asarray(image).copy()
    top = random.randrange(image.height // 8, image.height // 2)
    band = pixels[top : top + random.randint(image.height // 6, image.height // 3)]
    steps = random.randint(8, 16)
    dragged = np.mean([np.roll(band, step, axis=1) for step in range(steps)], axis=0)
    band[:] = dragged.astype(np.uint8)
    return Image.fromarray(pixels if random.random() < 0.5 else pixels.transpose(1, 0, 2))


def _blotched(image: Image.Image, random: Random) -> Image.Image:
    """Soft spots of any colour."""
    for _ in range(random.randint(2, 6)):
        x, y = random.randrange(image.width), random.randrange(image.height)
        radius = random.uniform(3.0, 9.0)
        spot = Image.new("L", image.size)
        ImageDraw.Draw(spot).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        colour = random.randrange(256), random.randrange(256), random.randrange(256)
        image = image.copy()
        image.paste(colour, mask=spot.filter(ImageFilter.GaussianBlur(random.uniform(0.5, 2.0))))
    return image


def _cut_off(image: Image.Image, random: Random) -> Image.Image:
    """Background where a corner of some shapes should be."""
    pixels = np.asarray(image).copy()
    background = np.median(pixels.reshape(-1, 3), axis=0)
    rows, columns = np.nonzero(np.abs(pixels - background).max(axis=2) > 60)
    if not len(rows):
        return image
    for _ in range(random.randint(1, 3)):
        inked = random.randrange(len(rows))
        high, wide = random.randint(8, 16), random.randint(8, 16)
        top, left = max(0, rows[inked] - high // 2), max(0, columns[inked] - wide // 2)
        pixels[top : top + high, left : left + wide] = background
    return Image.fromarray(pixels)


_FAULTS: Final[list[Callable[[Image.Image, Random], Image.Image]]] = [
    _much_blurred,
    _much_noisier,
    _smeared,
    _blotched,
    _cut_off,
]
