"""How near the engine comes to what the devices allow: fakes of fixed latency, then small models.

    python -m tests.benchmarks.throughput [--scale 0.1] [--real 4]

Fakes: one device renders a batch of up to 4 pictures in 1.0 s; the critic takes 0.7 s for each
judgement, any number at once; 64 items, three rounds each. `--scale` shrinks all latencies.

The bound. All R = 3 x 64 pictures go through the one device, at best in R / 4 full batches of 1.0 s
one after the other, and the pictures of the last batch are still to be judged: no schedule is
faster than R / 4 x 1.0 s + 0.7 s = 48.7 s. A single item takes 3 x 1.7 s, which is less. Goal: wall
time at most 1.05 times the bound.

The two-stage way renders every first picture, one at a time, then judges every one, one at a time,
then renders every refined one, and so on. It is reckoned, not run: R x (1.0 s + 0.7 s).

Small models: the bundled generator and critic on requests of the sketch world, one run at a time
with batches of one, and by the engine with batches of up to 16. `--real 0` leaves them out.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Final

from PIL import Image

from rr_refine.agent.components import as_critic, as_generator
from rr_refine.batching import Batcher, BatchJob
from rr_refine.benchmarks.arms import make_arms
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.engine import Models, read_trials, run_arms
from rr_refine.benchmarks.item import Benchmark
from rr_refine.component import connected
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.plugins import create
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.sketch.bench.tasks import as_benchmark, requests
from tests.benchmarks.harness import InstantCritic, InstantGenerator, instant_items, perfect

ITEMS: Final = 64
ROUNDS: Final = 3
BATCH: Final = 4
RENDER: Final = 1.0  # seconds for a batch
CRITIQUE: Final = 0.7  # seconds


class Device:
    """Renders a batch in a fixed time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.batches: list[int] = []

    def limit(self, work: None) -> int:
        return BATCH

    def run(self, jobs: Sequence[BatchJob[None, None]]) -> None:
        self.batches.append(len(jobs))
        time.sleep(self._seconds)
        for job in jobs:
            job.result.set_result(None)


class SlowGenerator(InstantGenerator):
    """Waits for the device, behind a batcher."""

    def __init__(self, device: Device) -> None:
        self._batcher = Batcher[None, None](lambda: device, "device")

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        await self._batcher.submit(None)
        return await super().generate(request)


class SlowCritic(InstantCritic):
    """Takes a fixed time for each judgement, any number at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def critique(self, request: CritiqueRequest) -> Assessment:
        await asyncio.sleep(self._seconds)
        return await super().critique(request)


async def engine(
    benchmark: Benchmark, models: Models, *, concurrency: int
) -> tuple[float, int, int]:
    """Wall seconds of the arm refine over a benchmark, its renders, and its runs without fault."""
    changes = {"target": None, "patience": None}
    with tempfile.TemporaryDirectory() as folder, Cache(Path(folder) / "cache") as cache:
        start = time.perf_counter()
        await run_arms(
            benchmark,
            make_arms(ROUNDS, names=["refine"], changes=changes),
            Models(cache.generator(models.generator), cache.critic(models.critic)),
            Path(folder),
            renders=ROUNDS,
            concurrency=concurrency,
            pictures=cache.image_path,
        )
        seconds = time.perf_counter() - start
        trials = list(read_trials(Path(folder)))
        return seconds, sum(t.result.spent for t in trials), sum(t.settled for t in trials)


async def fakes(scale: float) -> None:
    """Fixed latencies."""
    device = Device(scale * RENDER)
    models = Models(SlowGenerator(device), SlowCritic(scale * CRITIQUE))
    wall, renders, settled = await engine(
        Benchmark("slow", instant_items(ITEMS), perfect), models, concurrency=32
    )
    assert (renders, settled) == (ITEMS * ROUNDS, ITEMS)
    bound = scale * (ceil(renders / BATCH) * RENDER + CRITIQUE)
    staged = scale * renders * (RENDER + CRITIQUE)
    print(f"{ITEMS} items, {ROUNDS} rounds, latencies x {scale:g}")
    print(f"bound      {bound:7.2f} s")
    print(f"engine     {wall:7.2f} s, {wall / bound:.3f} of the bound  (goal 1.05)", end="")
    print(f", {len(device.batches)} batches, {renders / len(device.batches):.2f} pictures each")
    print(f"two-stage  {staged:7.2f} s, {staged / bound:.2f} of the bound, reckoned")


async def small_models(count: int) -> None:
    """The models in the box."""
    benchmark = as_benchmark("sketch", requests("dev", count))
    print(f"bundled models, {count} items, {ROUNDS} rounds")
    for name, concurrency, batch in (("one by one", 1, 1), ("engine", 32, 16)):
        models = Models(
            as_generator(create("generators", "sketch", {"batch": batch})),
            as_critic(create("critics", "sketch", {"batch": batch})),
        )
        async with connected((models.generator, models.critic)):
            image = await models.generator.generate(RenderRequest("a red circle", 0))
            await models.critic.critique(CritiqueRequest("a red circle", image))  # now it is loaded
            wall, renders, _ = await engine(benchmark, models, concurrency=concurrency)
        print(f"{name:10} {wall:7.2f} s, {wall / renders:.2f} s a render and its judgement")


async def main(scale: float, real: int) -> None:
    """Measure, and print."""
    await fakes(scale)
    if real:
        await small_models(real)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--real", type=int, default=4)
    asyncio.run(main(**vars(parser.parse_args())))
