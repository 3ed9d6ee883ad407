"""Concurrent calls: gathered into batches for one device, or awaited together."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from rr_refine.errors import RefineError
from rr_refine.telemetry import waited

__all__ = ["BatchJob", "BatchWorker", "Batcher", "gather"]

T = TypeVar("T")
W = TypeVar("W")
R = TypeVar("R")


@dataclass(eq=False, slots=True)
class BatchJob(Generic[W, R]):
    """One call on its way through the batcher."""

    work: W
    """What is to be done."""
    kind: Hashable
    """Jobs of one kind can go together."""
    result: Future[R] = field(init=False, default_factory=Future)
    abandoned: bool = field(init=False, default=False)
    """Nobody waits for it any more. Set by the event loop, read by the device's thread."""
    begun: float = field(init=False, default=0.0)
    """When its batch began, by the monotonic clock."""

    @property
    def is_awaited(self) -> bool:
        """It has no result yet, and somebody waits for one."""
        return not (self.abandoned or self.result.done())


class BatchWorker(Protocol[W, R]):
    """What the batcher drives, from its thread only."""

    def limit(self, work: W) -> int:
        """Most jobs like this one in one call of `run`."""
        ...

    def run(self, jobs: Sequence[BatchJob[W, R]]) -> None:
        """Do jobs of one kind, giving each its result or its own error.

        Those that got neither are given again, without the others: so a worker that ran out of
        memory lowers its limit and returns.

        Raises:
            RefineError: the call failed. Jobs that went together are then done one by one, so that
                a bad one fails alone.
        """
        ...


class Batcher(Generic[W, R]):
    """Runs jobs on one thread, as many together as may be.

    It never waits for a batch to fill: whatever is queued when the device becomes free goes
    together. The thread lives as long as there is work, so that nothing needs closing and any
    number of event loops can take turns.

    Args:
        load: makes the worker; called from the thread before the first batch, and again after it
            failed.
        name: of the thread.
    """

    def __init__(self, load: Callable[[], BatchWorker[W, R]], name: str) -> None:
        self._load = load
        self._name = name
        self._worker: BatchWorker[W, R] | None = None
        self._pending: deque[BatchJob[W, R]] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    async def submit(self, work: W, kind: Hashable = None) -> R:
        """Queue work and wait for its result.

        Cancelling drops it from the queue. What already runs is told by `BatchJob.abandoned`.

        Args:
            kind: only work of equal kind goes together.

        Raises:
            RefineError: what the worker, or loading it, failed with.
        """
        job: BatchJob[W, R] = BatchJob(work, kind)
        queued = time.monotonic()
        with self._lock:
            self._pending.append(job)
        try:
            # Calls made beside this one queue theirs before the thread looks.
            await asyncio.sleep(0)
            self._wake()
            result = await asyncio.wrap_future(job.result)
        except asyncio.CancelledError:
            job.abandoned = True
            raise
        waited(job.begun - queued)
        return result

    def _wake(self) -> None:
        with self._lock:
            if self._thread is None and self._pending:
                self._thread = threading.Thread(target=self._work, name=self._name)
                self._thread.start()

    def _work(self) -> None:
        jobs: list[BatchJob[W, R]] = []
        try:
            while self._has_work():
                try:
                    if self._worker is None:
                        self._worker = self._load()
                except RefineError as error:
                    for job in self._take(None):
                        job.result.set_exception(error)
                    continue
                jobs = self._take(self._worker)
                _finish(self._worker, jobs)
        except BaseException as error:  # a bug of ours: report it, but let nobody wait forever
            with self._lock:
                self._thread = None
            for job in (*jobs, *self._take(None)):
                if not job.result.done():
                    job.result.set_exception(error)
            raise

    def _has_work(self) -> bool:
        with self._lock:
            if not self._pending:
                self._thread = None
            return bool(self._pending)

    def _take(self, worker: BatchWorker[W, R] | None) -> list[BatchJob[W, R]]:
        """The first pending job and those that can go with it; without a worker, all of them."""
        with self._lock:
            alive = [job for job in self._pending if job.is_awaited]
            if worker and alive:
                first, limit = alive[0], worker.limit(alive[0].work)
                taken = [job for job in alive if job.kind == first.kind][:limit]
            else:
                taken = alive
            self._pending = deque(job for job in alive if job not in taken)
        for job in taken:
            job.begun = time.monotonic()
        return [job for job in taken if job.result.set_running_or_notify_cancel()]


def _finish(worker: BatchWorker[W, R], jobs: list[BatchJob[W, R]]) -> None:
    """Run until nobody waits for any of them."""
    together = len(jobs)
    while jobs := [job for job in jobs if job.is_awaited]:
        part = jobs[: min(together, worker.limit(jobs[0].work))]
        try:
            worker.run(part)
        except RefineError as error:
            if len(part) == 1:
                part[0].result.set_exception(error)
            together = 1


async def gather(*work: Coroutine[None, None, T]) -> list[T]:
    """Await all; when one fails, cancel the others and raise its error itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed.exceptions[0].__cause__
    return [task.result() for task in tasks]
