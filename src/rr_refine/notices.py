"""Notices: what was done to a picture that nobody asked for, told along with the picture.

They travel in `Image.info`, which copies, threads and pickles keep. A run takes them off, records
them, and shows them as events (`rr_refine.agent.events.Notice`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["add_notices", "notices_of"]

_KEY: Final = "rr-refine.notices"


def add_notices(image: Image.Image, *texts: str) -> None:
    """Tell something about a picture to whoever takes it.

    Args:
        texts: a clause each, without a full stop: `the endpoint answered with 96x64 pixels where
            1024x768 was asked for`.
    """
    image.info[_KEY] = notices_of(image) + texts


def notices_of(image: Image.Image) -> tuple[str, ...]:
    """What was told about a picture so far."""
    found = image.info.get(_KEY, ())
    # A file may have a text of that name: only what `add_notices` wrote is a tuple.
    return found if isinstance(found, tuple) else ()
