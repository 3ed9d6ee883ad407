"""Many runs at once: every item through every arm, each in a run folder of its own.

OUT/runs/<arm>/<item>/    the run, as `rr-refine` leaves it
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rr_refine.agent.manifest import check_config
from rr_refine.agent.refine import as_rewriter, make_job
from rr_refine.agent.run import load_run
from rr_refine.agent.session import run_job
from rr_refine.agent.store.folder import RunFolder
from rr_refine.benchmarks.trial import read_trial
from rr_refine.component import connected
from rr_refine.errors import ConfigError, RefineError, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from rr_refine.agent.history import Candidate
    from rr_refine.agent.rewriting.rewriter import Rewriter
    from rr_refine.agent.session import Job
    from rr_refine.benchmarks.arms import Arm
    from rr_refine.benchmarks.item import Benchmark, Item, Mark
    from rr_refine.benchmarks.trial import Trial
    from rr_refine.generators.generator import Generator
    from rr_refine.reward.critic import Critic

__all__ = ["Models", "run_arms", "run_many"]


@dataclass(frozen=True, slots=True)
class Models:
    """What renders and judges, the same for all arms."""

    generator: Generator
    critic: Critic
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    """For every render: `guidance_scale`, …"""


async def run_arms(
    benchmark: Benchmark,
    arms: Sequence[Arm],
    models: Models,
    out: Path,
    *,
    renders: int,
    concurrency: int = 32,
    on_trial: Callable[[Trial], None] | None = None,
) -> list[Trial]:
    """Run every item through every arm; what is finished in `out` is not done again.

    All arms of an item go side by side, so that an interrupted benchmark has whole items. What
    fails in a run is data of its trial; the run is owed again the next time.

    Args:
        models: connected; what arms have in common is done once if they are from a `Cache`.
        renders: up to how many renders trials tell.
        concurrency: runs at once. A generator or critic that works in batches needs several.
        on_trial: called as each is done, in any order.

    Raises:
        ConfigError: `out` holds runs of other models, policies or requests; a wrong key.
        StoreError: a file cannot be written or read, or another process works in `out`.
    """
    trials: dict[tuple[str, str], Trial] = {}
    marks: dict[tuple[str, str], Mark] = {}
    rewriters = {arm.name: tuple(map(as_rewriter, arm.policy.rewriters)) for arm in arms}

    async def one(item: Item, arm: Arm) -> None:
        job = _job(item, arm, models, rewriters[arm.name])
        trial = await _trial(benchmark, item, arm, job, out, renders, marks)
        trials[item.id, arm.name] = trial
        if on_trial is not None:
            on_trial(trial)

    async with connected([part for chain in rewriters.values() for part in chain]):
        await run_many((one(item, arm) for item in benchmark.items for arm in arms), concurrency)
    return [trials[item.id, arm.name] for item in benchmark.items for arm in arms]


async def run_many(works: Iterable[Awaitable[None]], concurrency: int) -> None:
    """Await `works` in order, `concurrency` at once; the first that fails ends all.

    Raises:
        Exception: what the first raised that failed.
    """
    owed = iter(works)

    async def worker(owed: Iterator[Awaitable[None]]) -> None:
        for work in owed:
            await work

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker(owed))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed.exceptions[0].__cause__


def _job(item: Item, arm: Arm, models: Models, rewriters: Sequence[Rewriter]) -> Job:
    return make_job(
        item.prompt,
        image=item.source,
        generator=models.generator,
        critic=models.critic,
        rewriters=rewriters,
        policy=arm.policy,
        seed=item.seed,
        parameters=models.parameters,
    )


async def _trial(
    benchmark: Benchmark,
    item: Item,
    arm: Arm,
    job: Job,
    out: Path,
    renders: int,
    marks: dict[tuple[str, str], Mark],
) -> Trial:
    """Run the job, unless it is done, and grade what came of it."""
    where = f"runs/{arm.name}/{item.id}"
    with RunFolder(out / where) as folder:
        error = await _finish(folder, job)

        def mark(candidate: Candidate) -> Mark:
            assert candidate.image is not None
            key = item.id, candidate.image
            if key not in marks:  # arms have pictures in common
                marks[key] = benchmark.grade(item, folder.load_image(candidate.image))
            return marks[key]

        return await asyncio.to_thread(
            lambda: read_trial(
                arm,
                item,
                load_run(folder.path),
                where,
                renders=renders,
                error=error,
                mark=mark,
            )
        )


async def _finish(folder: RunFolder, job: Job) -> str | None:
    """Bring a run to its end; gives the error that ended it, in words."""
    check_config(folder, job)
    manifest = folder.read_json("manifest.json")
    if isinstance(manifest, dict) and manifest.get("status") == "done":
        return None
    try:
        async with aclosing(run_job(folder, job, report=False)) as events:
            async for _ in events:
                pass
    except (ConfigError, StoreError):
        raise
    except RefineError as error:
        return f"{type(error).__name__}: {error}"
    return None
