"""The studio: the runs of a folder, finished or in progress, with shared models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from rr_refine.agent.feasible import require_feasible
from rr_refine.agent.follow_up import FollowUp, reopen
from rr_refine.agent.job import Job
from rr_refine.agent.manifest import config_of, identity_of
from rr_refine.agent.run import Run, open_run
from rr_refine.agent.session import store_job
from rr_refine.agent.store.folder import RunFolder, new_run_name
from rr_refine.component import connected
from rr_refine.errors import ConfigError, RefineError, StoreError, StoreLockedError
from rr_refine.pictures import SOURCE_PIXELS
from rr_refine.request import Request
from rr_refine.room import Room, Share
from rr_refine.studio.form import JobMaker, MoreForm, PromptForm, RunForm
from rr_refine.studio.history import RunList, Tile, find_run, has_result, status_of, version_of
from rr_refine.studio.live_run import LiveRun, Message
from rr_refine.studio.models import StudioModels, models_of, notes_before, notes_on
from rr_refine.studio.page_events import PageEvents
from rr_refine.studio.state import RunState, parent_of
from rr_refine.studio.trash import put_back, throw_away

__all__ = ["Studio", "StudioFullError"]

_AT_WORK: Final = 2 * SOURCE_PIXELS
"""Pixels of the pictures to edit of all runs at work together: each takes some 20 bytes, for it is
copied for those who draw and judge. Further runs wait in line."""


class StudioFullError(RefineError):
    """As many runs are at work or wait as are let in."""


class Studio:
    """Many runs at once, each with a job and a folder of its own.

    Args:
        out: folder that holds the run folders; created with the first run.
        maker: makes the jobs, one at a time: pictures are decoded then.
        max_runs: runs that may be at work or wait, for the generator or for a decision.
        private: the folder of a new run is for this user alone.

    Raises:
        ConfigError: `max_runs` is below 1.
    """

    def __init__(
        self, out: Path, maker: JobMaker, *, max_runs: int = 16, private: bool = True
    ) -> None:
        if max_runs < 1:
            raise ConfigError(f"studio.max_runs = {max_runs} lets no run in: give 1 or more")
        self.out, self.maker = out, maker
        self._max_runs, self._private = max_runs, private
        self._beginning = 0
        self._making = asyncio.Lock()
        self._room = Room(_AT_WORK)
        self._taking_in, self._reading = CapacityLimiter(1), CapacityLimiter(2)
        self._listing = CapacityLimiter(1)  # what one page had read need not be read for another
        self._history = RunList(out)
        self._pasts: WeakValueDictionary[tuple[object, ...], PageEvents] = WeakValueDictionary()
        self._live: dict[str, LiveRun] = {}
        self._problems: dict[str, str] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Connect the models; at the end, break off the runs and let the models go.

        Raises:
            RefineError: a model cannot be reached.
        """
        async with connected((self.maker.generator, self.maker.critic)):
            try:
                yield
            finally:
                await self.rest()

    async def rest(self) -> None:
        """Break off the runs that are running; they can go on later."""
        await asyncio.gather(*(live.cancel() for live in list(self._live.values())))

    @property
    def models(self) -> StudioModels:
        """Who draws and who judges here. The studio must be open."""
        return models_of(self.maker.generator, self.maker.critic)

    def notes_before(self, form: PromptForm) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What is to be said of a prompt before its run starts; see `studio.models`."""
        if not form.prompt.strip():
            return (), ()
        request = Request(prompt=form.prompt, source="" if form.edit else None)
        return notes_before(request, self.maker.generator, self.maker.critic)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """A place for one more run.

        Raises:
            StudioFullError: there is none.
        """
        if len(self._live) + self._beginning >= self._max_runs:
            raise StudioFullError(
                f"{self._max_runs} runs are at work here or wait for a decision, and more are not "
                "let in: wait for one, or end one (studio.max_runs sets how many)"
            )
        self._beginning += 1
        try:
            yield
        finally:
            self._beginning -= 1

    async def start(self, coming: AbstractAsyncContextManager[RunForm]) -> str:
        """Begin a new run; gives its name.

        Args:
            coming: the form, which is taken in once the run has its place.

        Raises:
            StudioFullError: there are as many as are let in.
            ConfigError: something in the form is wrong.
            StoreError: the folder cannot be written.
        """
        with self._place():
            async with coming as form, self._making:
                job = await run_sync(self.maker.new, form, limiter=self._taking_in)
                return await self._begin(job)

    async def resume(self, name: str) -> str:
        """Go on with an unfinished run; gives its name. One that is running is left alone.

        Raises:
            LookupError: there is no such run.
            StudioFullError: there are as many as are let in.
            ConfigError: it is done, or was made with other models.
            StoreError: it cannot be read, or another process works on it.
        """
        path = find_run(self.out, name)
        if name in self._live:
            return name
        with self._place():
            async with self._making:
                if name in self._live:  # another tab was quicker
                    return name
                run = await run_sync(open_run, path, limiter=self._reading)
                if run.status == "done":
                    raise ConfigError("this run is done: there is nothing to go on with")
                job = await run_sync(self.maker.again, run, limiter=self._taking_in)
                return await self._begin(job, run)

    async def more(self, name: str, form: MoreForm) -> str:
        """What follows a picture of a run: on with it, or a new run; gives the name.

        Raises:
            LookupError: there is no such run.
            StudioFullError: there are as many as are let in.
            ConfigError: this cannot follow, or takes other models or parts than the studio's own.
            StoreError: it cannot be read, or another process works on it.
        """
        path = find_run(self.out, name)
        with self._place():
            async with self._making:
                run = await run_sync(open_run, path, limiter=self._reading)
                if form.kind == "go-on" and name in self._live:
                    raise ConfigError("this run is going on already")
                follow_up = await run_sync(form.follow_up, run, limiter=self._taking_in)
                if form.kind == "go-on":
                    job = await run_sync(self.maker.again, run, limiter=self._taking_in)
                    return await self._begin(job, run, follow_up)
                job = await run_sync(self.maker.after, follow_up, limiter=self._taking_in)
                return await self._begin(job)

    def live(self, name: str) -> LiveRun:
        """A run that is running here.

        Raises:
            LookupError: it is not.
        """
        if name not in self._live:
            raise LookupError(f"run {name[:200]!r} is not running here")
        return self._live[name]

    async def _begin(
        self, job: Job, run: Run | None = None, follow_up: FollowUp | None = None
    ) -> str:
        """Begin a new run, or go on with this one; gives its name."""
        await require_feasible(
            job.request, job.generator, job.critic, job.sources, lineage=job.lineage
        )
        notes = await run_sync(
            notes_on, job.request, job.generator, job.critic, limiter=self._taking_in
        )
        if run is None:
            past = PageEvents()
            path = self.out / new_run_name(job.request.prompt, identity_of(config_of(job)))
        else:
            past, path = await run_sync(_past, run, limiter=self._reading), run.path
        if follow_up is None:
            folder = await run_sync(_stored, path, job, self._private, limiter=self._taking_in)
        else:
            folder = await run_sync(reopen, job, follow_up, limiter=self._taking_in)
        parent = await run_sync(parent_of, path, job.lineage, limiter=self._reading)
        place = Share(self._room, sum(one.width * one.height for one in job.sources))
        # From here on, the pictures are read from the folder when they are needed.
        live = LiveRun(
            folder, replace(job, sources=()), notes, past, place, self._end, parent=parent
        )
        self._live[live.name] = live
        self._problems.pop(live.name, None)
        return live.name

    def _end(self, live: LiveRun) -> None:
        del self._live[live.name]
        if live.problem:
            self._problems[live.name] = live.problem

    async def throw_away(self, names: Sequence[str]) -> dict[str, str]:
        """Move runs to the trash; gives those that stay, with the reason."""
        return await self._moved(names, throw_away)

    async def put_back(self, names: Sequence[str]) -> dict[str, str]:
        """Move runs back from the trash; gives those that stay there, with the reason."""
        return await self._moved(names, put_back)

    async def _moved(
        self, names: Sequence[str], move: Callable[[Path, str], None]
    ) -> dict[str, str]:
        left = {}
        async with self._making:  # none of them goes on meanwhile
            for name in dict.fromkeys(names):
                try:
                    if name in self._live:
                        raise StoreLockedError("this run is going on: end it first")
                    await run_sync(move, self.out, name, limiter=self._reading)
                except (LookupError, StoreError) as error:
                    left[name] = str(error.args[0])
        return left

    async def tiles(self, search: str = "") -> list[Tile]:
        """The newest runs of the folder, those that are running included; see `RunList.tiles`."""
        tiles = await run_sync(
            self._history.tiles, frozenset(self._live), search, limiter=self._listing
        )
        return [
            tile.model_copy(update={"status": self._live[tile.name].status})
            if tile.name in self._live
            else tile
            for tile in tiles
        ]

    async def state(self, name: str) -> RunState:
        """Where a run is.

        Raises:
            LookupError: there is no such run.
            StoreError: its folder cannot be read.
        """
        if name in self._live:
            return self._live[name].state
        run = await run_sync(open_run, find_run(self.out, name), limiter=self._reading)
        return RunState(
            name=name,
            request=run.request,
            policy=run.policy,
            status=status_of(run),
            problem=self._problems.get(name, ""),
            parent=await run_sync(parent_of, run.path, run.lineage, limiter=self._reading),
            result=has_result(run.path),
        )

    async def follow(self, name: str, start: int = 0) -> AsyncIterator[Message]:
        """The events of a run from number `start` on, to its end; see `LiveRun.follow`.

        Raises:
            LookupError: there is no such run.
            StoreError: its folder cannot be read.
        """
        source: LiveRun | PageEvents | None = self._live.get(name)
        if source is None:  # read before the stream begins: afterwards no error can be told
            path = find_run(self.out, name)
            key = (path, version_of(path))
            if (source := self._pasts.get(key)) is None:  # pages that follow one run share it
                run = await run_sync(open_run, path, limiter=self._reading)
                source = self._pasts[key] = await run_sync(_past, run, limiter=self._reading)
        return self._follow(name, start, source)

    async def _follow(
        self, name: str, start: int, source: LiveRun | PageEvents
    ) -> AsyncIterator[Message]:
        if isinstance(source, LiveRun):
            async for message in source.follow(start):
                yield message
        else:
            for number, line in enumerate(source.lines[start:], start + 1):
                yield "event", line, number
        yield "state", (await self.state(name)).write(), None


def _past(run: Run) -> PageEvents:
    return PageEvents(run.events())


def _stored(path: Path, job: Job, private: bool) -> RunFolder:
    """The run's folder with all in it that its job needs, whenever that is done."""
    folder = RunFolder(path, private=private)
    try:
        store_job(folder, job)
    except BaseException:
        folder.close()
        raise
    return folder
