"""Uploaded pictures, and thumbnails for the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from rr_refine.agent.store.png import png_size
from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError, StoreError
from rr_refine.pictures import SOURCE_PIXELS, decode_picture, encode_png, load_stored
from rr_refine.studio.history import open_picture

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MAX_PICTURE_BYTES", "Uploads", "drop", "read_upload", "read_uploads", "thumbnail"]

T = TypeVar("T")

MAX_PICTURE_BYTES: Final = 50_000_000
_TOGETHER: Final = 4 * SOURCE_PIXELS
"""Pixels of the pictures of one form."""
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
        self._reading = CapacityLimiter(1)

    @asynccontextmanager
    async def taken(self, request: Request, read: Callable[[bytearray], T]) -> AsyncIterator[T]:
        """What is read from the body of a request, which counts for as long as it is in use.

        Args:
            read: is called in a thread.

        Raises:
            HTTPException: it comes in too slowly.
        """
        async with AsyncExitStack() as stack:
            if int(request.headers["content-length"]) > _LARGE:
                await stack.enter_async_context(self._large)
            try:
                body = await _read(request)
                given = await run_sync(read, body, limiter=self._reading)
            except TimeoutError:
                request.state.late = True
                raise HTTPException(408, "the request came in too slowly") from None
            yield given


async def drop(request: Request) -> None:
    """Let what is left of a body come in, and keep nothing: who still sends hears no answer."""
    if not getattr(request.state, "late", False):
        with suppress(TimeoutError, ClientDisconnect, RuntimeError):  # the last: it is here already
            await _read(request, keep=False)


async def _read(request: Request, *, keep: bool = True) -> bytearray:
    """A body.

    Raises:
        TimeoutError: it comes in too slowly.
    """
    now = asyncio.get_running_loop().time
    end, body = now() + _SENT_WITHIN, bytearray()
    async with asyncio.timeout(_GOES_ON_WITHIN) as limit:
        async for piece in request.stream():
            if keep:
                body += piece
            limit.reschedule(min(end, now() + _GOES_ON_WITHIN))
    return body


def read_uploads(files: Sequence[bytes]) -> list[Image.Image]:
    """The pictures in uploaded files.

    Raises:
        ConfigError: one of them cannot be used, or all have too many pixels together.
    """
    images: list[Image.Image] = []
    pixels = 0
    for file in files:
        images.append(read_upload(file))
        pixels += images[-1].width * images[-1].height
        if pixels > _TOGETHER:
            raise ConfigError(
                f"the pictures have more than {_TOGETHER / 1e6:.0f} megapixels together: give "
                "fewer, or smaller ones"
            )
    return images


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
    with raised_as(ConfigError, "the picture cannot be used", ValueError):
        return decode_picture(data, most_pixels=SOURCE_PIXELS)


@lru_cache(maxsize=128)
def thumbnail(path: Path) -> bytes:
    """A picture of a run folder as a small PNG. Such files are named by content: none changes.

    Raises:
        LookupError: it is missing.
        StoreError: it is too large, or broken.
    """
    run = path.parents[2]  # RUN/images/ab/….png
    with raised_as(StoreError, f"{path.name} cannot be read", OSError, ValueError):
        with open_picture(path, run) as file:
            width, height = png_size(file.read(24))
        if width * height > SOURCE_PIXELS:
            raise ValueError(f"{width}x{height} pixels are too many for a small view")
        image = load_stored(path, within=run)
    image.thumbnail((_SIDE, _SIDE))
    return encode_png(image)
