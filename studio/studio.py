"""The studio itself: the runs at work, the runs in the folder, and the models that all share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rr_refine.agent.events import write_event
from rr_refine.agent.manifest import config_of, identity_of
from rr_refine.agent.run import load_run
from rr_refine.agent.session import Job
from rr_refine.agent.store.folder import RunFolder, new_run_name
from rr_refine.component import connected
from rr_refine.errors import ConfigError
from rr_refine.studio.history import Card, find_run, list_cards, standing_of
from rr_refine.studio.models import Models, models_of, notes_on
from rr_refine.studio.order import JobMaker, Order
from rr_refine.studio.state import Asked, RunState, asked_of
from rr_refine.studio.work import Message, Work

__all__ = ["Studio"]


class Studio:
    """Many runs at once, each with a job and a folder of its own.

    Args:
        out: folder that holds the run folders; created with the first run.
        maker: makes the jobs.
    """

    def __init__(self, out: Path, maker: JobMaker) -> None:
        self.out, self.maker = out, maker
        self._works: dict[str, Work] = {}
        self._problems: dict[str, str] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Connect the models; at the end, break off the runs at work and let the models go.

        Raises:
            RefineError: a model cannot be reached.
        """
        async with connected((self.maker.generator, self.maker.critic)):
            try:
                yield
            finally:
                await self.rest()

    async def rest(self) -> None:
        """Break off the runs at work; they can go on later."""
        await asyncio.gather(*(work.cancel() for work in list(self._works.values())))

    @property
    def models(self) -> Models:
        """Who draws and who judges here. The studio must be open."""
        return models_of(self.maker.generator, self.maker.critic)

    # -- runs at work ------------------------------------------------------------------------

    async def start(self, order: Order) -> str:
        """Begin a new run; gives its name.

        Raises:
            ConfigError: something in the order is wrong.
            StoreError: the folder cannot be written.
        """
        job = await asyncio.to_thread(self.maker.new, order)
        name = new_run_name(job.request.prompt, identity_of(config_of(job)))
        return self._begin(job, self.out / name, [])

    async def resume(self, name: str) -> str:
        """Go on with an unfinished run; one that is at work is left at it.

        Raises:
            LookupError: there is no such run.
            ConfigError: it is done, or was made with other models.
            StoreError: it cannot be read, or another process works on it.
        """
        path = find_run(self.out, name)
        if name in self._works:
            return name
        run = await asyncio.to_thread(load_run, path)
        if run.status == "done":
            raise ConfigError("this run is done: there is nothing to go on with")
        job = await asyncio.to_thread(self.maker.again, run)
        if name in self._works:  # another tab was quicker
            return name
        return self._begin(job, path, [write_event(event) for event in run.events()])

    def work(self, name: str) -> Work:
        """A run at work.

        Raises:
            LookupError: it is not at work.
        """
        if name not in self._works:
            raise LookupError(f"run {name[:200]!r} is not at work here")
        return self._works[name]

    def _begin(self, job: Job, path: Path, told: list[str]) -> str:
        work = Work(RunFolder(path), job, self._asked(job), told, self._end)
        self._works[work.name] = work
        self._problems.pop(work.name, None)
        work.start()
        return work.name

    def _end(self, work: Work) -> None:
        del self._works[work.name]
        if work.problem:
            self._problems[work.name] = work.problem

    def _asked(self, job: Job) -> Asked:
        notes = notes_on(job.request, job.generator, job.critic)
        return asked_of(job.request, job.policy, notes)

    # -- all runs ----------------------------------------------------------------------------

    async def cards(self) -> list[Card]:
        """The newest runs of the folder, those at work included."""
        cards = await asyncio.to_thread(list_cards, self.out)
        return [
            card.model_copy(update={"standing": self._works[card.name].state.standing})
            if card.name in self._works
            else card
            for card in cards
        ]

    async def state(self, name: str) -> RunState:
        """Where a run stands.

        Raises:
            LookupError: there is no such run.
            StoreError: its folder cannot be read.
        """
        if name in self._works:
            return self._works[name].state
        run = await asyncio.to_thread(load_run, find_run(self.out, name))
        return RunState(
            name=name,
            asked=asked_of(run.request, run.policy),
            standing=standing_of(run.status),
            problem=self._problems.get(name, ""),
            result=run.result_path is not None,
        )

    async def follow(self, name: str, start: int = 0) -> AsyncIterator[Message]:
        """The story of a run from event number `start` on, to its end; see `Work.follow`.

        Raises:
            LookupError: there is no such run.
            StoreError: its folder cannot be read.
        """
        if name in self._works:
            async for message in self._works[name].follow(start):
                yield message
        else:
            run = await asyncio.to_thread(load_run, find_run(self.out, name))
            for number, event in enumerate(run.events()[start:], start + 1):
                yield "event", write_event(event), number
        yield "state", (await self.state(name)).write(), None
