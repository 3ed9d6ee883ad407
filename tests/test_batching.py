from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from rr_refine.batching import Batcher, BatchJob
from rr_refine.errors import ConfigError, RefineError


class Doubler:
    """Doubles numbers, and keeps what was in each batch."""

    def __init__(self, limit: int = 8, before: Callable[[list[int]], None] | None = None) -> None:
        self.most = limit
        self.before = before
        self.batches: list[list[int]] = []

    def limit(self, work: int) -> int:
        return self.most

    def run(self, jobs: Sequence[BatchJob[int, int]]) -> None:
        numbers = [job.work for job in jobs]
        self.batches.append(numbers)
        if self.before:
            self.before(numbers)
        for job in jobs:
            job.result.set_result(2 * job.work)


class Gate:
    """Holds the first batch until it is opened."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, _: list[int]) -> None:
        self.reached.set()
        assert self.open.wait(30)


def queue(worker: Doubler) -> Batcher[int, int]:
    return Batcher(lambda: worker, "doubler")


async def threads_end() -> None:
    for _ in range(3000):
        if not any(thread.name == "doubler" for thread in threading.enumerate()):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the thread still runs")


@pytest.mark.parametrize(
    ("limit", "numbers", "sizes"),
    [(4, 1, [1]), (4, 4, [4]), (4, 6, [4, 2]), (1, 3, [1, 1, 1])],
)
async def test_calls_made_at_once_go_together(limit: int, numbers: int, sizes: list[int]) -> None:
    worker = Doubler(limit)
    batcher = queue(worker)
    results = await asyncio.gather(*(batcher.submit(n) for n in range(numbers)))
    assert results == [2 * n for n in range(numbers)]
    assert [len(batch) for batch in worker.batches] == sizes


async def test_only_one_kind_goes_together_and_the_longest_waiting_first() -> None:
    worker = Doubler()
    batcher = queue(worker)
    await asyncio.gather(*(batcher.submit(n, kind=n % 2) for n in (2, 1, 4, 3)))
    assert worker.batches == [[2, 4], [1, 3]]


async def test_what_comes_during_a_batch_goes_together_after_it() -> None:
    gate = Gate()
    worker = Doubler(before=gate)
    batcher = queue(worker)
    first = asyncio.create_task(batcher.submit(0))
    await asyncio.to_thread(gate.reached.wait, 30)
    later = [asyncio.create_task(batcher.submit(n)) for n in (1, 2, 3)]
    await asyncio.sleep(0.01)
    later[1].cancel()
    await asyncio.sleep(0.01)
    gate.open.set()
    assert [await first, await later[0], await later[2]] == [0, 2, 6]
    assert worker.batches == [[0], [1, 3]]


async def test_who_leaves_a_running_batch_spoils_nothing() -> None:
    gate = Gate()
    batcher = queue(Doubler(before=gate))
    calls = [asyncio.create_task(batcher.submit(n)) for n in (1, 2)]
    await asyncio.to_thread(gate.reached.wait, 30)
    calls[0].cancel()
    await asyncio.sleep(0.01)
    gate.open.set()
    assert await calls[1] == 4
    assert calls[0].cancelled()


async def test_a_bad_one_fails_alone() -> None:
    def refuse(numbers: list[int]) -> None:
        if 2 in numbers:
            raise RefineError("2 is bad")

    worker = Doubler(before=refuse)
    batcher = queue(worker)
    one, two, three = await asyncio.gather(
        *(batcher.submit(n) for n in (1, 2, 3)), return_exceptions=True
    )
    assert [one, three] == [2, 6]
    assert str(two) == "2 is bad"
    assert worker.batches == [[1, 2, 3], [1], [2], [3]]


async def test_a_worker_may_lower_its_limit_and_leave_jobs_undone() -> None:
    class Small(Doubler):
        def run(self, jobs: Sequence[BatchJob[int, int]]) -> None:
            if len(jobs) > 2:
                self.batches.append([job.work for job in jobs])
                self.most = len(jobs) // 2
                return
            super().run(jobs)

    worker = Small()
    batcher = queue(worker)
    assert await asyncio.gather(*(batcher.submit(n) for n in range(5))) == [0, 2, 4, 6, 8]
    assert [len(batch) for batch in worker.batches] == [5, 2, 2, 1]


async def test_loading_is_tried_again_after_it_failed() -> None:
    worker = Doubler()
    loads = Counter[str]()

    def load() -> Doubler:
        loads["tried"] += 1
        if loads["tried"] == 1:
            raise ConfigError("no such model")
        return worker

    batcher = Batcher(load, "doubler")
    failed = await asyncio.gather(batcher.submit(1), batcher.submit(2), return_exceptions=True)
    assert [type(error) for error in failed] == [ConfigError] * 2
    assert await batcher.submit(3) == 6
    assert await batcher.submit(4) == 8
    assert loads["tried"] == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_bug_is_an_error_and_not_a_hang() -> None:
    def stumble(numbers: list[int]) -> None:
        if 0 in numbers:
            raise ZeroDivisionError

    batcher = queue(Doubler(limit=1, before=stumble))
    failed = await asyncio.gather(batcher.submit(0), batcher.submit(1), return_exceptions=True)
    assert [type(error) for error in failed] == [ZeroDivisionError] * 2
    await threads_end()
    assert await batcher.submit(1) == 2


def test_event_loops_take_turns_and_no_thread_stays() -> None:
    batcher = queue(Doubler())

    async def two() -> list[int]:
        return await asyncio.gather(*(batcher.submit(n) for n in (1, 2)))

    assert asyncio.run(two()) == asyncio.run(two()) == [2, 4]
    asyncio.run(threads_end())
