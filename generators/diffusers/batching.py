"""Concurrent calls, gathered into batches for one device."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rr_refine.digest import digest
from rr_refine.errors import RefineError, UnsupportedRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL import Image
    from pydantic import JsonValue

    from rr_refine.generators.generator import OnStep, RenderRequest
    from rr_refine.terms import Task

__all__ = ["BatchRenderer", "Batcher", "Job"]


@dataclass(eq=False, slots=True)
class Job:
    """One request on its way through the batcher."""

    request: RenderRequest
    on_step: OnStep | None
    result: Future[Image.Image] = field(init=False, default_factory=Future)
    abandoned: bool = field(init=False, default=False)
    """Nobody waits for it any more. Set by the event loop, read by the device's thread."""
    kind: str = field(init=False)
    """Jobs of one kind can share a pipeline call: same task, parameters and source size."""

    def __post_init__(self) -> None:
        source = self.request.source
        parameters: dict[str, JsonValue] = dict(self.request.parameters)
        size: list[JsonValue] = list(source.size) if source else []
        try:
            self.kind = digest({"parameters": parameters, "size": size})
        except (TypeError, ValueError) as error:
            raise UnsupportedRequestError(
                f"parameters {parameters!r} are not JSON: {error}"
            ) from error


class BatchRenderer(Protocol):
    """What the batcher drives, from its thread only."""

    def limit(self, task: Task) -> int:
        """Most jobs in one call of `render`."""
        ...

    def render(self, jobs: Sequence[Job]) -> None:
        """Render jobs of one kind, giving each its result or its error."""
        ...


class Batcher:
    """Runs jobs on one thread, as many together as may be.

    It never waits for a batch to fill: whatever is queued when the device becomes free goes
    together. The thread lives as long as there is work, so that nothing needs closing and any
    number of event loops can take turns.

    Args:
        load: makes the renderer; called from the thread before the first batch, and again after it
            failed.
    """

    def __init__(self, load: Callable[[], BatchRenderer]) -> None:
        self._load = load
        self._renderer: BatchRenderer | None = None
        self._pending: deque[Job] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    async def submit(self, request: RenderRequest, on_step: OnStep | None) -> Image.Image:
        """Queue a request and wait for its image.

        Cancelling drops it from the queue. Rendering stops at the next step once no request of the
        batch is waited for.

        Raises:
            RefineError: what the renderer, or loading it, failed with.
        """
        job = Job(request, on_step)
        with self._lock:
            self._pending.append(job)
        try:
            await asyncio.sleep(
                0
            )  # calls made beside this one queue theirs before the thread looks
            self._wake()
            return await asyncio.wrap_future(job.result)
        except asyncio.CancelledError:
            job.abandoned = True
            raise

    def _wake(self) -> None:
        with self._lock:
            if self._thread is None and self._pending:
                self._thread = threading.Thread(target=self._work, name="rr-refine-diffusers")
                self._thread.start()

    def _work(self) -> None:
        jobs: list[Job] = []
        try:
            while self._has_work():
                try:
                    if self._renderer is None:
                        self._renderer = self._load()
                except RefineError as error:
                    for job in self._take(None):
                        job.result.set_exception(error)
                    continue
                jobs = self._take(self._renderer)
                if jobs:
                    self._renderer.render(jobs)
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

    def _take(self, renderer: BatchRenderer | None) -> list[Job]:
        """The first pending job and those that can go with it; without a renderer, all of them."""
        with self._lock:
            alive = [
                job for job in self._pending if not job.abandoned and not job.result.cancelled()
            ]
            if renderer and alive:
                first, limit = alive[0], renderer.limit(alive[0].request.task)
                taken = [job for job in alive if job.kind == first.kind][:limit]
            else:
                taken = alive
            self._pending = deque(job for job in alive if job not in taken)
        return [job for job in taken if job.result.set_running_or_notify_cancel()]
