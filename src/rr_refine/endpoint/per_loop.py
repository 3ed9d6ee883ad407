"""What belongs to one event loop, such as connections: made where it is first used."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["PerLoop"]

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One thing for each event loop. Safe to use from several loops at once.

    Args:
        make: makes it, in the loop that it is for.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, T] = {}
        self._lock = threading.Lock()

    def get(self) -> T:
        """That of the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._made:
                # Loops that ended without `take` can no longer close anything.
                for ended in [known for known in self._made if known.is_closed()]:
                    del self._made[ended]
                self._made[loop] = self._make()
            return self._made[loop]

    def take(self) -> T | None:
        """That of the running loop, to be closed; the next `get` makes a new one."""
        with self._lock:
            return self._made.pop(asyncio.get_running_loop(), None)
