"""An event loop of its own, in a thread, for work that is called where another loop is running."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

__all__ = ["in_a_thread"]

T = TypeVar("T")


def in_a_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a thread; an interrupt here cancels it there."""
    with ThreadPoolExecutor(1, thread_name_prefix="rr-refine") as thread:
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = Future()

        async def main() -> T:
            task = asyncio.ensure_future(work)
            started.set_result((asyncio.get_running_loop(), task))
            return await task

        result = thread.submit(copy_context().run, asyncio.run, main())
        try:
            return result.result()
        except BaseException:
            if not result.done():
                loop, task = started.result()
                loop.call_soon_threadsafe(task.cancel)
            raise
