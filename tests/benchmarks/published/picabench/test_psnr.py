"""PSNR outside the edited areas."""

from __future__ import annotations

import sys

import pytest
from PIL import Image

from rr_refine.benchmarks.published.picabench.psnr import masked_psnr
from rr_refine.benchmarks.published.picabench.region import Area
from rr_refine.errors import MissingExtraError


def grey(*levels: int) -> Image.Image:
    """A row of pixels."""
    image = Image.new("RGB", (len(levels), 1))
    image.putdata([(level, level, level) for level in levels])
    return image


def area(x: float, width: float) -> Area:
    return Area(x=x, y=0, width=width, height=0)


@pytest.mark.parametrize(
    ("source", "edited", "areas", "decibel"),
    [
        # Differences of 51 / 255 = 0.2: MSE 0.04, and 10 log10(25) = 13.9794.
        (grey(0, 0, 0, 0), grey(51, 51, 51, 51), [], 13.9794000867),
        # In half of the pixels: MSE 0.02, 10 log10(50) = 16.9897.
        (grey(0, 0, 0, 0), grey(51, 51, 0, 0), [], 16.9897000434),
        (grey(0, 9, 0, 9), grey(0, 9, 0, 9), [], 100.0),
        # An area holds both of its edges: x 0 to 1 covers the two pixels that differ.
        (grey(0, 0, 0, 0), grey(51, 51, 0, 0), [area(0, 1)], 100.0),
        (grey(0, 0, 0, 0), grey(51, 51, 0, 0), [area(0, 0.9)], 18.7506126339),  # MSE 0.04 / 3
        (grey(0, 0, 0, 0), grey(51, 51, 0, 0), [area(2, 0), area(3, 0)], 13.9794000867),
        (grey(0, 0, 0, 0), grey(51, 51, 0, 0), [area(0, 9)], None),
        # From 2 pixels to 4, centres at -0.25 (0), 0.25, 0.75, 1.25 (1): 0, 51, 153, 204.
        (grey(0, 51, 153, 204), grey(0, 204), [], 100.0),
        # From 8 to 2, at 1.5 and 5.5: between pixels 1 and 2, and 5 and 6; the others are nothing.
        (grey(51, 153), grey(255, 0, 102, 255, 255, 51, 255, 255), [], 100.0),
    ],
)
def test_psnr(
    source: Image.Image, edited: Image.Image, areas: list[Area], decibel: float | None
) -> None:
    assert masked_psnr(source, edited, areas) == pytest.approx(decibel, abs=1e-9)


def test_rows_are_resampled_too() -> None:
    tall = grey(0, 51, 153, 204).transpose(Image.Transpose.ROTATE_270)
    short = grey(0, 204).transpose(Image.Transpose.ROTATE_270)
    assert masked_psnr(tall, short) == 100.0


def test_it_needs_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(MissingExtraError, match=r"rr-refine\[data\]"):
        masked_psnr(grey(0), grey(0))
