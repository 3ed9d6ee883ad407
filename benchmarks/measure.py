"""A whole benchmark: every item through every arm, the statistics, and the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from rr_refine.agent.manifest import versions
from rr_refine.benchmarks.arms import Arm
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.engine import Models, read_trials, run_arms
from rr_refine.benchmarks.item import Benchmark
from rr_refine.benchmarks.report import write_report
from rr_refine.benchmarks.results import Provenance, Results, summarise
from rr_refine.benchmarks.trial import Trial

__all__ = ["measure"]


async def measure(
    benchmark: Benchmark,
    arms: Sequence[Arm],
    models: Models,
    cache: Cache,
    out: Path,
    *,
    renders: int,
    concurrency: int = 32,
    settings: Mapping[str, JsonValue] | None = None,
    on_trial: Callable[[Trial], None] | None = None,
) -> Results:
    """Run `benchmark` in `out` and leave the report there; see `run_arms` and `write_report`.

    Args:
        models: connected.
        settings: how they were configured; recorded only, so no keys and passwords.

    Raises:
        ConfigError: `out` holds runs of other models, policies or requests; a wrong key.
        StoreError: a file cannot be written or read, or another process works in `out`.
    """
    start = time.monotonic()
    shared = Models(
        cache.generator(models.generator), cache.critic(models.critic), models.parameters
    )
    await run_arms(
        benchmark,
        arms,
        shared,
        out,
        renders=renders,
        concurrency=concurrency,
        pictures=cache.image_path,
        on_trial=on_trial,
    )
    wanted = {item.id for item in benchmark.items}

    def read() -> Iterator[Trial]:
        return (trial for trial in read_trials(out) if trial.item in wanted)

    results = summarise(
        read,
        arms,
        Provenance(
            benchmark=benchmark.name,
            renders=renders,
            generator=models.generator.identity,
            critic=models.critic.identity,
            versions=versions(),
            settings=dict(settings or {}),
            seconds=time.monotonic() - start,
            made={str(kind): count for kind, count in cache.made.items()},
        ),
        dimensions=benchmark.dimensions,
    )
    write_report(out, results, read)
    return results
