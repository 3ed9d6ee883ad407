"""Uploaded pictures, and thumbnails for the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from rr_refine.errors import ConfigError, StoreError
from rr_refine.pictures import SOURCE_PIXELS, decode_picture, encode_png, load_stored

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MAX_PICTURE_BYTES", "Uploads", "read_upload", "thumbnail"]

MAX_PICTURE_BYTES: Final = 50_000_000
_SIDE: Final = 480
"""Pixels of a thumbnail's longer side."""
_LARGE: Final = 1_000_000
"""Bytes of a request that holds a picture, most likely."""
_SENT_WITHIN: Final = 300.0
"""Seconds that a request may take to come in."""
_GOES_ON_WITHIN: Final = 30.0
"""Seconds that it may stand still on its way: others wait for its place."""


class Uploads:
    """Takes requests in: two large ones at a time, so that memory has a limit."""

    def __init__(self) -> None:
        self._large = asyncio.Semaphore(2)

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a request, which is counted for as long as it is in use.

        Raises:
            HTTPException: it comes in too slowly.
        """
        async with AsyncExitStack() as stack:
            if int(request.headers["content-length"]) > _LARGE:
                await stack.enter_async_context(self._large)
            try:
                body = await _read(request)
            except TimeoutError:
                raise HTTPException(408, "the request came in too slowly") from None
            yield body


async def _read(request: Request) -> bytes:
    """A body.

    Raises:
        TimeoutError: it comes in too slowly.
    """
    now = asyncio.get_running_loop().time
    end, pieces = now() + _SENT_WITHIN, list[bytes]()
    async with asyncio.timeout(_GOES_ON_WITHIN) as limit:
        async for piece in request.stream():
            pieces.append(piece)
            limit.reschedule(min(end, now() + _GOES_ON_WITHIN))
    return b"".join(pieces)


def read_upload(data: bytes) -> Image.Image:
    """The picture in an uploaded file, upright and RGB.

    Raises:
        ConfigError: too large, or no picture of a common kind; nothing was decoded in full.
    """
    if len(data) > MAX_PICTURE_BYTES:
        raise ConfigError(
            f"the picture's file has {ceil(len(data) / 1e5) / 10} MB; "
            f"{MAX_PICTURE_BYTES / 1e6:.0f} MB is the most"
        )
    try:
        return decode_picture(data, most_pixels=SOURCE_PIXELS)
    except ValueError as error:
        raise ConfigError(f"the picture cannot be used: {error}") from error


@lru_cache(maxsize=512)
def thumbnail(path: Path) -> bytes:
    """A picture of a run folder as a small PNG. Such files are named by content: none changes.

    Raises:
        StoreError: it is missing or broken.
    """
    try:
        image = load_stored(path, within=path.parents[2])  # RUN/images/ab/….png
    except (OSError, ValueError) as error:
        raise StoreError(f"{path.name} cannot be read: {error}") from error
    image.thumbnail((_SIDE, _SIDE))
    return encode_png(image)
