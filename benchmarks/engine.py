"""Many runs at once: every item through every arm, each in a run folder of its own.

OUT/bench.json            what is compared, and with what models
OUT/trials.jsonl          every trial, see `rr_refine.benchmarks.trial`
OUT/runs/<arm>/<item>/    the run, as `rr-refine` leaves it, without checkpoints
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from langgraph.runtime import RunControl

from rr_refine.agent.feasible import require_feasible
from rr_refine.agent.job import Job
from rr_refine.agent.manifest import check_config
from rr_refine.agent.refine import make_job
from rr_refine.agent.rewriting.rewriter import Rewriter
from rr_refine.agent.run import read_run
from rr_refine.agent.session import run_job
from rr_refine.agent.store.folder import RunFolder
from rr_refine.batching import gather
from rr_refine.benchmarks.arms import Arm, Models
from rr_refine.benchmarks.cache import LinkingFolder
from rr_refine.benchmarks.entry import BenchmarkEntry
from rr_refine.benchmarks.header import Header, require_same
from rr_refine.benchmarks.item import Benchmark, Item
from rr_refine.benchmarks.sources import ROOM, pixels_of
from rr_refine.benchmarks.trial import (
    Trial,
    TrialFile,
    lost_trial,
    read_prefixes,
    read_trial,
    read_trials,
)
from rr_refine.boundary import boundary
from rr_refine.component import connected
from rr_refine.errors import ConfigError, NotRecordedError, RefineError, StoreError
from rr_refine.files import locked, make_folder, make_inside
from rr_refine.redaction import told
from rr_refine.room import Room

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Models", "read_trials", "run_arms", "run_many"]

_PLAIN: Final = Item(id="plain", prompt="a picture")


async def run_arms(
    benchmark: Benchmark,
    arms: Sequence[Arm],
    models: Models,
    out: Path,
    *,
    renders: int,
    concurrency: int = 32,
    curve: bool = True,
    pictures: Callable[[str], Path] | None = None,
    on_trial: Callable[[Trial], None] | None = None,
    drain: asyncio.Event | None = None,
) -> bool:
    """Run every item through every arm; what is finished in `out` is not done again.

    Items are taken as there is room for them, and all arms of an item go side by side, so that an
    interrupted benchmark has whole items. What fails in a run or a grade is data of its trial, and
    tried again the next time. Trials are on disk as soon as they end: `read_trials` gives them.
    Memory does not grow with the number of items. The same folder may be gone on with for more
    items, or for more arms.

    Args:
        models: connected, as the critics of `arms`; what arms have in common is done once if they
            are from a `Cache`.
        renders: up to how many renders a trial has points.
        concurrency: runs at once. A generator or critic that works in batches needs several.
        curve: False grades only the first and the last of each run: see `Trial.points`.
        pictures: where a picture may be encoded already, by its digest: `Cache.image_path`. It is
            linked into the run folder, not encoded again.
        on_trial: called with each trial as it is done, in any order; also with those that an
            earlier session has settled.
        drain: once it is set nothing new begins; what is being rendered, judged or graded is
            finished and kept, and this returns.

    Returns:
        Whether all was done; False where it was drained before.

    Raises:
        ConfigError: `out` holds another benchmark, or runs of other models, policies or requests;
            a wrong key.
        StoreError: a file cannot be written or read, or another process works in `out`.
    """
    chains = {arm.name: arm.chain(models.generator, arm.critic or models.critic) for arm in arms}
    checks = [part for arm in arms for part in (arm.intent_check, *arm.evidence)]
    drain = drain or asyncio.Event()
    with boundary(StoreError, "making the folder"):
        make_folder(out)
    with locked(out, out / ".lock"):
        async with connected([*checks, *(part for chain in chains.values() for part in chain)]):
            header = Header(
                benchmark=benchmark.name,
                renders=renders,
                curve=curve,
                parameters=dict(models.parameters),
                generator=models.generator.identity,
                critic=models.critic.identity,
                arms={arm.name: arm.record(chains[arm.name]) for arm in arms},
            )
            require_same(out, header)
            with closing(TrialFile(out)) as trials:
                async with _control(drain) as control:
                    session = _Session(
                        benchmark=benchmark,
                        arms=arms,
                        models=models,
                        chains=chains,
                        out=out,
                        renders=renders,
                        curve=curve,
                        pictures=pictures,
                        trials=trials,
                        on_trial=on_trial or (lambda _: None),
                        control=control,
                    )
                    await run_many(session.works(), concurrency)
                    return not session.cut_short


async def run_many(works: Iterable[Awaitable[None]], concurrency: int) -> None:
    """Await `works` in order, `concurrency` at once; the first that fails ends all.

    Raises:
        ConfigError: `concurrency` is below 1.
        Exception: what the first raised that failed.
    """
    if concurrency < 1:
        raise ConfigError(f"concurrency = {concurrency} would do nothing; give at least 1")
    left = iter(works)

    async def worker(left: Iterator[Awaitable[None]]) -> None:
        for work in left:
            await work

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker(left))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed.exceptions[0].__cause__


@dataclass(slots=True, kw_only=True)
class _Session:
    """One call of `run_arms`."""

    benchmark: Benchmark
    arms: Sequence[Arm]
    models: Models
    chains: Mapping[str, Sequence[Rewriter]]
    """Of each arm."""
    out: Path
    renders: int
    curve: bool
    pictures: Callable[[str], Path] | None
    trials: TrialFile
    on_trial: Callable[[Trial], None]
    control: RunControl
    room: Room = field(default_factory=lambda: Room(ROOM))
    cut_short: bool = False
    """It was drained, and something is left to do."""

    def works(self) -> Iterator[Awaitable[None]]:
        """What is left to do, made as it is asked for."""
        for number, item in enumerate(self.benchmark.items):
            entry = BenchmarkEntry(self.benchmark, item, number)
            for arm in self.arms:
                if self.control.drain_requested:
                    self.cut_short = True
                    return
                found = self.trials.find(item.id, arm.name)
                if found is None or not found.settled:
                    yield self._one(entry, arm)
                elif found.request == entry.request:
                    self.on_trial(found)
                else:
                    raise ConfigError(
                        f"benchmark folder {str(self.out)!r} holds results of another item "
                        f"{item.id!r}; give another folder"
                    )

    async def _one(self, entry: BenchmarkEntry, arm: Arm) -> None:
        """Run an arm on an item, and grade what came of it, once there is room for its source."""
        async with self.room.held(await asyncio.to_thread(pixels_of, entry.item.source)):
            await self._run(entry, arm)

    async def _run(self, entry: BenchmarkEntry, arm: Arm) -> None:
        origin = entry.origin(arm.name)
        where = self.out / origin.run
        try:
            job = self._job(entry.item, await entry.source(), arm)
            await require_feasible(job.request, job.generator, job.critic, job.sources)
        except RefineError as lost:  # the other items can do without this one
            self._job(_PLAIN, None, arm)  # but for a mistake that is none of the item's
            self._keep(lost_trial(origin, told(lost), self.renders if self.curve else 1))
            return
        with boundary(StoreError, "making a run folder"):
            make_inside(where, within=self.out)
        with LinkingFolder(where, self.pictures) as folder:
            error = await self._finish(folder, job)
            if self.control.drain_requested:
                self.cut_short = True
                return
            run = read_run(folder)
            prefixes = read_prefixes(run, arm.policy, renders=self.renders, curve=self.curve)
            images = {s.best.image for s in prefixes if s.best and s.best.image}
            grading = [entry.mark(image, folder.load_image) for image in images]
            marks = dict(zip(images, await gather(*grading), strict=True))
        trial = read_trial(origin, run, prefixes, marks, error)
        self._keep(trial)
        if self.control.drain_requested and not trial.settled:
            self.cut_short = True

    def _keep(self, trial: Trial) -> None:
        self.trials.add(trial)
        self.on_trial(trial)

    def _job(self, item: Item, source: Image.Image | None, arm: Arm) -> Job:
        return make_job(
            item.prompt,
            image=source,
            generator=self.models.generator,
            critic=arm.critic or self.models.critic,
            rewriters=self.chains[arm.name],
            intent_check=arm.intent_check,
            evidence=arm.evidence,
            policy=arm.policy,
            seed=item.seed,
            parameters=self.models.parameters,
        )

    async def _finish(self, folder: RunFolder, job: Job) -> str | None:
        """Bring a run to its end; gives the error that ended it, in words."""
        manifest = folder.read_json("manifest.json")
        if isinstance(manifest, dict) and manifest.get("status") == "done":
            check_config(folder, job)
            return None
        events = run_job(folder, job, control=self.control, report=False)
        try:
            async with aclosing(events):
                async for _ in events:
                    pass
        except NotRecordedError as error:
            return told(error)
        except (ConfigError, StoreError):
            raise
        except RefineError as error:
            return told(error)
        return None


@asynccontextmanager
async def _control(drain: asyncio.Event) -> AsyncIterator[RunControl]:
    """One for all runs: they are drained together."""
    control = RunControl()

    async def watch() -> None:
        await drain.wait()
        control.request_drain()

    watcher = asyncio.create_task(watch())
    try:
        await asyncio.sleep(0)  # maybe it is set already
        yield control
    finally:
        watcher.cancel()
