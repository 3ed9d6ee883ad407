"""How much of what should have stayed did change: PSNR outside the edited areas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rr_refine.benchmarks.published.picabench.region import Area
from rr_refine.errors import MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["masked_psnr"]

_SAME: Final = 1e-10
"""A mean squared error below it is none."""
_SAME_DB: Final = 100.0


def masked_psnr(
    source: Image.Image, edited: Image.Image, areas: Sequence[Area] = ()
) -> float | None:
    """Peak signal-to-noise ratio of the pixels outside `areas`, in dB; higher is more alike.

    As `PicaEval_consistency.py` without `--size`: areas are in the source's own pixels, edges
    included, and an edited picture of another size is resampled to the source's. That script
    counts in 32-bit floats, this in 64: they differ after the fifth digit or so.

    Args:
        source: the picture before, RGB.
        edited: the picture after, RGB.
        areas: what was to be edited; none means that all pixels count.

    Returns:
        10 log10(1 / MSE) of values in [0, 1]; 100 where the MSE is below 1e-10; None where the
        areas cover everything.

    Raises:
        MissingExtraError: numpy is not installed.
    """
    try:
        import numpy as np
    except ImportError as error:
        raise MissingExtraError("the PSNR of edited pictures", "data") from error
    before, after = np.asarray(source) / 255.0, np.asarray(edited) / 255.0
    if before.shape != after.shape:
        after = _resampled(after, before.shape[0], before.shape[1])
    differences = (after - before)[_outside(source.size, areas)]
    if not differences.size:
        return None
    mean = float(np.mean(differences**2))
    return _SAME_DB if mean < _SAME else float(-10 * np.log10(mean))


def _outside(size: tuple[int, int], areas: Sequence[Area]) -> NDArray[np.bool_]:
    """Which pixels are in none of the areas: (height, width)."""
    import numpy as np
    from PIL import Image, ImageDraw

    mask = Image.new("L", size, 255)
    draw = ImageDraw.Draw(mask)
    for area in areas:
        draw.rectangle((area.x, area.y, area.x + area.width, area.y + area.height), fill=0)
    return np.asarray(mask) > 0


def _resampled(pixels: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Bilinear between the two nearest of each axis, pixel centres at halves: no smoothing where
    it gets smaller, as torch's `interpolate` does and Pillow does not.
    """
    import numpy as np

    for axis, size in enumerate((height, width)):
        old = pixels.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        low = at.astype(int)
        share = (at - low).reshape((-1,) + (1,) * (2 - axis))
        first = pixels.take(low, axis)
        second = pixels.take(np.minimum(low + 1, old - 1), axis)
        pixels = first * (1 - share) + second * share
    return pixels
