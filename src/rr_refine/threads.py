"""Threads for what would hold an event loop: disks, pictures, pages, scans of what is installed."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial
from typing import Final, ParamSpec, TypeVar

__all__ = ["Later", "in_thread"]

P = ParamSpec("P")
T = TypeVar("T")

_MOST: Final = 4
"""Most threads. 16 would do fifty runs no faster, and hold the loop for 80 ms at times."""


async def in_thread(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Do some work in a thread, with the context variables of here.

    Who is cancelled meanwhile waits for its end first: it may hold a file or a folder. It should be
    short: the threads are few. Those of `asyncio.to_thread` a generator may keep busy for minutes.
    """
    loop = asyncio.get_running_loop()
    done = loop.run_in_executor(_pool(), copy_context().run, partial(work, *args, **kwargs))
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait([done])
        raise


class Later:
    """Work that a thread does soon, in order; who hands it over waits for nothing.

    What fails ends what waits behind it. The error is raised once: by the next call, whichever it
    is.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._error: Exception | None = None
        self._turn = threading.Lock()
        self._change = threading.Lock()
        self._called = False

    def do(self, work: Callable[[], None]) -> None:
        """Hand over some work; it is safe to do it in another thread."""
        self._raise()
        with self._change:
            self._waiting.append(work)
            called, self._called = self._called, True
        if not called:  # one thread is enough: on a slow disk the others would wait for it
            _pool().submit(self._until_empty)

    def finish(self) -> None:
        """Wait until everything is done."""
        self._work()
        self._raise()

    async def finished(self) -> None:
        """`finish`, for an event loop."""
        if self._waiting or self._turn.locked():
            await in_thread(self._work)
        self._raise()

    def _until_empty(self) -> None:
        while self._called:
            self._work()
            with self._change:
                self._called = bool(self._waiting)

    def _work(self) -> None:
        with self._turn:
            while self._waiting:
                work = self._waiting.popleft()
                try:
                    work()
                except Exception as error:  # noqa: BLE001  raised by whoever calls next
                    self._waiting.clear()
                    self._error = error

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_MOST, "rr-refine")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of the threads
