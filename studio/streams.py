"""Answers that are sent piece by piece: the events of a run, and files of any length."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import BinaryIO, Final

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from rr_refine.studio.export import Exported, zipped
from rr_refine.studio.live_run import Message

__all__ = ["MAX_STREAMS", "EventStream", "FileStream", "ZipStream"]

MAX_STREAMS: Final = 64
"""Pages that may follow runs at once."""
_PIECE: Final = 1 << 18
"""Bytes of a file that are read at a time."""


class EventStream(StreamingResponse):
    """The events of a run as server-sent events; among `following` while it is open."""

    media_type = "text/event-stream"

    def __init__(
        self,
        messages: AsyncIterator[Message],
        headers: Mapping[str, str],
        following: set[EventStream],
    ) -> None:
        super().__init__(_sent(messages), headers=headers)
        self._following = following

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them, to the end of the run or until nobody listens."""
        self._following.add(self)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._following.discard(self)


class FileStream(StreamingResponse):
    """An open file, which is closed at the end."""

    def __init__(self, file: BinaryIO, media_type: str, headers: Mapping[str, str]) -> None:
        length = {"Content-Length": str(os.fstat(file.fileno()).st_size)}
        super().__init__(_pieces(file), media_type=media_type, headers={**headers, **length})
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._file:
            await super().__call__(scope, receive, send)


class ZipStream(StreamingResponse):
    """The results of some runs as a ZIP file, made while it is sent."""

    def __init__(
        self, pictures: Sequence[Exported], headers: Mapping[str, str], places: asyncio.Semaphore
    ) -> None:
        super().__init__(zipped(pictures), media_type="application/zip", headers=headers)
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, when there is a place."""
        async with self._places:
            await super().__call__(scope, receive, send)


async def _sent(messages: AsyncIterator[Message]) -> AsyncIterator[str]:
    async for kind, data, number in messages:
        mark = "" if number is None else f"id: {number}\n"
        yield f"{mark}event: {kind}\ndata: {data}\n\n"


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
