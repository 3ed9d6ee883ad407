"""A connection of the server: one that waits for a client for too long is closed."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["ASKED_WITHIN", "READ_WITHIN", "Connection"]

ASKED_WITHIN: Final = 20.0
"""Seconds that a client has for its first request, without the body."""
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

    def _close_unasked(self) -> None:
        if self.cycle is None:
            self.transport.abort()

    def _set(self, timer: asyncio.TimerHandle | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer
