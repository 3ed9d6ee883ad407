"""What a pipeline gives back, as pictures; values that are no numbers are an error.

A pipeline that makes pictures itself turns NaN into black, and a picture that is half black passes
for one. So it is asked for the values.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from PIL import Image

from rr_refine.errors import GeneratorError

__all__ = ["as_values", "pictures_of"]


def as_values(pipeline: Any) -> dict[str, Any]:
    """The arguments that make a pipeline give values in place of pictures; {} if it cannot."""
    accepted = inspect.signature(type(pipeline).__call__).parameters
    return {"output_type": "np"} if "output_type" in accepted else {}


def pictures_of(images: object, name: str) -> object:
    """The pictures of a pipeline's output; anything but values comes back as it is.

    Args:
        images: values of 0 to 1, (pictures, height, width, channels).
        name: of the pipeline, for the message.

    Raises:
        GeneratorError: there are values that are no numbers.
    """
    if not isinstance(images, np.ndarray) or images.ndim != 4:
        return images
    if not np.isfinite(images).all():
        share = 1 - np.isfinite(images).all(axis=-1).mean()
        raise GeneratorError(
            f"{name}: {max(share, 0.001):.1%} of the picture's values are no numbers (NaN): half "
            "precision has overflowed; try dtype='bfloat16' or 'float32'"
        )
    levels = (images * 255).round().clip(0, 255).astype(np.uint8)
    return [Image.fromarray(one[..., 0] if one.shape[-1] == 1 else one) for one in levels]
