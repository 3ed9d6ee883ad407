"""A connection of the server: one that waits for a client for too long is closed."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["ASKED_WITHIN", "MAX_UNASKED", "READ_WITHIN", "Connection"]

ASKED_WITHIN: Final = 20.0
"""Seconds that a client has for its first request, without the body."""
MAX_UNASKED: Final = 64
"""Connections without a request: with one more, the oldest of them is closed. So nobody keeps
others out by opening many."""
READ_WITHIN: Final = 60.0
"""Seconds that a client may leave an answer unread when there is no more room to keep it."""


class Connection(H11Protocol):
    """HTTP with limits that uvicorn has none of. Later requests of a connection are its owner's:
    a visitor without the token gets one answer.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The client has a while to ask for something."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(ASKED_WITHIN, self._close_unasked)
        self._since = self.loop.time()
        connections = cast("set[Connection]", self.connections)  # all of the server
        unasked = [c for c in connections if c._has_not_asked()]
        if len(unasked) > MAX_UNASKED:
            oldest = min(unasked, key=lambda connection: connection._since)
            connections.discard(oldest)
            oldest.transport.abort()

    def pause_writing(self) -> None:
        """What it was sent fills its buffers."""
        super().pause_writing()
        self._set(self.loop.call_later(READ_WITHIN, self.transport.abort))

    def resume_writing(self) -> None:
        """It reads."""
        super().resume_writing()
        self._set(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._set(None)
        super().connection_lost(exc)

    def _has_not_asked(self) -> bool:
        return self.cycle is None

    def _close_unasked(self) -> None:
        if self._has_not_asked():
            self.transport.abort()

    def _set(self, timer: asyncio.TimerHandle | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer
