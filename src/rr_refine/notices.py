"""Notices: what was done to a picture that nobody asked for, told along with the picture.

They travel in `Image.info`, which copies, threads and pickles keep. A run takes them off, records
them, and shows them as events (`rr_refine.agent.events.Notice`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MAX_WORDS", "add_notices", "notices_of", "shortened"]

MAX_WORDS: Final = 10_000
"""Most characters of what is told. Servers, models and plugins may say more."""
_KEY: Final = "rr-refine.notices"
_MOST: Final = 100
"""Notices of one picture."""


def add_notices(image: Image.Image, *texts: str) -> None:
    """Tell something about a picture to whoever takes it.

    Args:
        texts: a clause each, without a full stop: `the endpoint answered with 96x64 pixels where
            1024x768 was asked for`.
    """
    image.info[_KEY] = (notices_of(image) + tuple(map(shortened, texts)))[:_MOST]


def notices_of(image: Image.Image) -> tuple[str, ...]:
    """What was told about a picture so far."""
    found = image.info.get(_KEY, ())
    # A file may have a text of that name: only what `add_notices` wrote is a tuple.
    return found if isinstance(found, tuple) else ()


def shortened(text: str, most: int = MAX_WORDS, *, end: int = 0) -> str:
    """A text as it is told and recorded: of a very long one the beginning, and how long it was.

    Args:
        end: characters of its end that are kept as well.
    """
    if len(text) <= most:
        return text
    rest = f"… ({len(text):,} characters)" + (f" … {text[-end:]}" if end else "")
    return text[: most - len(rest)] + rest
