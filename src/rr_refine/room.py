"""Room in memory for pictures that are at work: who finds none waits in line."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Room", "Share"]


class Room:
    """So much of something, given out in the order of asking.

    Args:
        most: how much there is. Who asks for more gets all of it.
    """

    def __init__(self, most: int) -> None:
        self.most = self.left = most
        self.line: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def held(self, amount: int) -> AsyncIterator[None]:
        """Hold so much of it."""
        share = Share(self, amount)
        try:
            await share.take()
            yield
        finally:
            share.leave()

    def call_next(self) -> None:
        """Let in who is first in line, as far as there is room."""
        while self.line and (self.line[0][1].done() or self.line[0][0] <= self.left):
            amount, turn = self.line.popleft()
            if not turn.done():  # else it was given up
                self.left -= amount
                turn.set_result(None)


class Share:
    """A share of a room, taken and left as often as need be.

    Args:
        amount: how much it takes; who takes nothing is never in line.
    """

    def __init__(self, room: Room, amount: int) -> None:
        self._room, self._amount = room, min(amount, room.most)
        self._taken = False
        self.in_line = False
        """Whether it is waited for."""

    async def take(self) -> None:
        """Wait for it."""
        if self._amount == 0:
            return
        turn = asyncio.get_running_loop().create_future()
        self._room.line.append((self._amount, turn))
        self._room.call_next()
        self.in_line = not turn.done()
        try:
            await turn
        finally:
            self.in_line = False
            self._taken = turn.done() and not turn.cancelled()
            self._room.call_next()  # who was behind this one, if it was given up

    def leave(self) -> None:
        """Give it back, if it is taken."""
        if self._taken:
            self._taken = False
            self._room.left += self._amount
            self._room.call_next()
