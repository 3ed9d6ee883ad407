"""What a judge is shown of a picture."""

from __future__ import annotations

import pytest
from PIL import Image

from rr_refine.benchmarks.published.picabench.region import Area, on_canvas, region, shift


def area(x: float, y: float, width: float, height: float) -> Area:
    return Area(x=x, y=y, width=width, height=height)


@pytest.mark.parametrize(
    ("size", "canvas"),
    [
        ((512, 256), (1024, 512)),
        ((2048, 1000), (1024, 500)),
        ((1024, 3), (1024, 3)),
        ((300, 200), (1024, 682)),  # 682.67, cut off
        ((5000, 1), (1024, 1)),
    ],
)
def test_the_canvas(size: tuple[int, int], canvas: tuple[int, int]) -> None:
    assert on_canvas(Image.new("RGB", size)).size == canvas


@pytest.mark.parametrize(
    ("box", "size"),
    [
        # 80 to 180 and 80 to 140: 100 x 60, enlarged 10.24 times.
        (area(100, 100, 60, 20), (1024, 614)),
        # At the corner the padding is cut: 0 to 80 and 0 to 40.
        (area(-5, 10, 65, 10), (1024, 512)),
        # 80.4 to 180.6 and 79.6 to 140.4 are rounded: 80 to 181, 80 to 140.
        (area(100.4, 99.6, 60.2, 20.8), (1024, 608)),
        # The right edge: 980 to 1024 and 480 to 512 (44 x 32).
        (area(1000, 500, 500, 500), (1024, 744)),
        (None, (1024, 512)),
        (area(2000, 100, 60, 20), (1024, 512)),
        (area(100, 2000, 60, 20), (1024, 512)),
        (area(-500, 0, 480, 20), (1024, 512)),  # ends where the picture begins
    ],
)
def test_the_size_of_a_region(box: Area | None, size: tuple[int, int]) -> None:
    assert region(Image.new("RGB", (512, 256)), box).size == size


def test_a_region_is_of_the_canvas() -> None:
    image = Image.new("RGB", (512, 256), "white")
    image.paste("red", (50, 50, 80, 60))  # on the canvas: 100 to 160, 100 to 120
    shown = region(image, area(100, 100, 60, 20))
    # Red from (100 - 80) x 10.24 = 205 to (160 - 80) x 10.24 = 819; from 205 to 410.
    green = shown.getchannel("G")
    assert [bool(green.getpixel((x, 300)) > 128) for x in (190, 220, 804, 834)] == [1, 0, 0, 1]  # type: ignore[operator]
    assert [bool(green.getpixel((500, y)) > 128) for y in (190, 220, 395, 425)] == [1, 0, 0, 1]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("source", "edited", "pixels"),
    [
        ((1000, 500), (2000, 1000), 0),
        ((1024, 768), (1024, 752), 16),
        ((1024, 512), (512, 1024), 512),
        ((600, 800), (512, 512), 256),
    ],
)
def test_a_shift(source: tuple[int, int], edited: tuple[int, int], pixels: float) -> None:
    assert shift(source, edited) == pixels
