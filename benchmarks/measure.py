"""A whole benchmark: every item through every arm, the statistics, and the report."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rr_refine.agent.store.folder import RunFolder
from rr_refine.benchmarks.engine import Models, run_arms
from rr_refine.benchmarks.report import write_report
from rr_refine.benchmarks.results import Provenance, summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from rr_refine.benchmarks.arms import Arm
    from rr_refine.benchmarks.cache import Cache
    from rr_refine.benchmarks.item import Benchmark
    from rr_refine.benchmarks.results import Results
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
    trials = await run_arms(
        benchmark,
        arms,
        shared,
        out,
        renders=renders,
        concurrency=concurrency,
        on_trial=on_trial,
    )
    results = summarise(
        trials,
        arms,
        Provenance(
            benchmark=benchmark.name,
            renders=renders,
            generator=models.generator.identity,
            critic=models.critic.identity,
            versions=_versions(out / trials[0].run),
            settings=dict(settings or {}),
            seconds=time.monotonic() - start,
            made={str(kind): count for kind, count in cache.made.items()},
        ),
    )
    write_report(out, results, trials)
    return results


def _versions(run: Path) -> dict[str, JsonValue]:
    """Those of the packages, as a run's manifest has them."""
    with RunFolder(run, lock=False) as folder:
        manifest = folder.read_json("manifest.json")
    versions = manifest.get("versions") if isinstance(manifest, dict) else None
    return versions if isinstance(versions, dict) else {}
