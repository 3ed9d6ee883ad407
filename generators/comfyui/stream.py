"""The bytes below ComfyUI's socket, so that no server can keep the event loop to itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from httpcore2 import AsyncNetworkStream

__all__ = ["BoundedStream"]

_PART: Final = 4096
"""Bytes that are read at once. The smallest parts of a message have two bytes, and all that were
read are taken apart before the event loop goes on."""


class BoundedStream:
    """Reads small parts with a pause after each, and a limited number between two messages.

    The client library bounds the length of a message; not that of messages which never end, since
    their parts may be empty, nor of pings.

    Args:
        stream: what is read.
        limit: most bytes from the end of a message to that of the next.
    """

    def __init__(self, stream: AsyncNetworkStream, limit: int) -> None:
        self._stream = stream
        self._limit = self._left = limit

    def heard(self) -> None:
        """A message has come."""
        self._left = self._limit

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most so many bytes; none at the end, and once there were too many for a message."""
        await asyncio.sleep(0)
        if self._left <= 0:
            return b""
        data = await self._stream.read(min(max_bytes, _PART), timeout)
        self._left -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send them."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        """What the stream knows of itself."""
        return self._stream.get_extra_info(info)
