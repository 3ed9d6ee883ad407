"""Threads of the studio's own: what somebody waits for at the page does not wait for the runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["Threads"]

P = ParamSpec("P")
R = TypeVar("R")


class Threads:
    """A few threads for work of one kind. What is more waits for its turn.

    Args:
        most: how many.
        kind: what they are called.
    """

    def __init__(self, most: int, kind: str) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=f"studio {kind}")

    async def run(self, work: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """Call a function in one of them, as `asyncio.to_thread` does."""
        call = partial(copy_context().run, partial(work, *args, **options))
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)
