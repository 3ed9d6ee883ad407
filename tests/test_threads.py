from __future__ import annotations

import asyncio
import os
import threading
import time
from contextvars import ContextVar

import pytest

from rr_refine.threads import Later, in_thread

NAME: ContextVar[str] = ContextVar("NAME", default="")


async def test_work_is_done_elsewhere_with_the_context_of_here() -> None:
    NAME.set("a run")
    seen = await in_thread(lambda *words: (threading.current_thread(), NAME.get(), *words), 1, 2)
    assert seen[0] is not threading.current_thread()
    assert seen[1:] == ("a run", 1, 2)
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


async def test_who_is_cancelled_waits_for_the_end() -> None:
    begun, done = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        time.sleep(0.1)
        done.set()

    task = asyncio.ensure_future(in_thread(work))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


async def test_generators_that_keep_the_loops_own_threads_busy_hold_nothing_up() -> None:
    free = threading.Event()
    busy = [asyncio.ensure_future(asyncio.to_thread(free.wait)) for _ in range(50)]
    try:
        assert await asyncio.wait_for(in_thread(lambda: "done"), 5) == "done"
    finally:
        free.set()
        await asyncio.gather(*busy)


def test_a_process_that_was_forked_has_threads_of_its_own() -> None:
    asyncio.run(in_thread(lambda: None))
    child = os.fork()
    if child == 0:
        os._exit(asyncio.run(in_thread(lambda: 7)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


async def test_what_waits_for_a_slow_disk_holds_one_thread() -> None:
    later, free, done = Later(), threading.Event(), list[int]()
    try:
        later.do(free.wait)  # type: ignore[arg-type]
        for number in range(10):
            later.do(lambda number=number: done.append(number))  # type: ignore[misc]
        others = [asyncio.ensure_future(in_thread(time.sleep, 0.01)) for _ in range(10)]
        _, owed = await asyncio.wait(others, timeout=5)
        assert (owed, done) == (set(), [])
    finally:
        free.set()
    await later.finished()
    assert done == list(range(10))


async def test_later_is_in_order_and_its_error_is_raised_once() -> None:
    later, done = Later(), list[int]()
    for number in range(100):
        later.do(lambda number=number: done.append(number))  # type: ignore[misc]
    await later.finished()
    assert done == list(range(100))

    free = threading.Event()

    def fails() -> None:
        raise OSError("the disk is full")

    for work in (free.wait, fails, lambda: done.append(-1)):
        later.do(work)  # type: ignore[arg-type]
    free.set()
    with pytest.raises(OSError, match="full"):
        await later.finished()
    await later.finished()
    later.do(lambda: done.append(100))
    later.finish()
    assert done == list(range(101))
