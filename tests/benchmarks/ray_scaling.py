"""A benchmark on Ray: two workers against one, a worker killed on the way, and the driver's cost.

    python -m tests.benchmarks.ray_scaling [items] [seconds]

Renders take `seconds` (1) per batch of up to four, in a process of their own, and judgements no
time; `items` (32) are rendered three times each by the engine. Prints how near two workers come to
half the time of one (goal: an efficiency of 0.9); what was rendered twice when one of two was
killed with `kill -9`; and what a render costs the process that all goes through, without the
model: docs/capacity.md tells what follows from that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple
from zlib import crc32

from PIL import Image, ImageFilter

from rr_refine.batching import Batcher, BatchJob
from rr_refine.benchmarks.arms import make_arms
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.engine import Models, read_trials, run_arms
from rr_refine.benchmarks.item import Benchmark
from rr_refine.component import connected
from rr_refine.endpoint.chat import png_data_url
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.generators.ray import RayGenerator, RayOptions
from rr_refine.terms import Identity, Task
from tests.benchmarks.harness import InstantCritic, instant_items, perfect

RENDERS = 3
BATCH = 4


class PacedGenerator:
    """A device that takes its time for every batch.

    Args:
        seconds: for a batch of up to four; 0 is at once.
        side: of the pictures, in pixels.
        diary: a file that gets a line for every render that begins: process, seed and prompt.
    """

    tasks: frozenset[Task] = frozenset({"t2i"})

    def __init__(self, seconds: float, side: int, diary: str) -> None:
        self.identity = Identity(kind="bench", name="paced", details={"side": side})
        self._seconds, self._side, self._diary = seconds, side, Path(diary)
        self._batcher: Batcher[RenderRequest, Image.Image] = Batcher(lambda: self, "paced")

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        return await self._batcher.submit(request)

    def limit(self, work: RenderRequest) -> int:
        return BATCH

    def run(self, jobs: Sequence[BatchJob[RenderRequest, Image.Image]]) -> None:
        lines = [f"{os.getpid()} {job.work.seed} {job.work.prompt}\n" for job in jobs]
        with self._diary.open("ab", buffering=0) as file:
            file.write("".join(lines).encode())
        time.sleep(self._seconds)
        for job in jobs:
            code = crc32(f"{job.work.prompt} {job.work.seed}".encode())
            image = photograph(self._side).copy()
            image.putpixel((0, 0), (code % 256, code // 256 % 256, code // 65536 % 256))
            job.result.set_result(image)


@cache
def photograph(side: int) -> Image.Image:
    """Smooth shapes and some grain: as hard to compress as a photograph."""
    random = Random(side)

    def noise(side: int) -> Image.Image:
        return Image.frombytes("RGB", (side, side), random.randbytes(3 * side * side))

    grain = noise(side).filter(ImageFilter.GaussianBlur(2))
    return Image.blend(noise(side // 16).resize(grain.size), grain, 0.25)


class Spent(NamedTuple):
    """Seconds: by the clock, of this process's processor time, and of its event loop's thread."""

    wall: float
    processor: float
    loop: float


class Run:
    """One benchmark with so many workers."""

    def __init__(self, out: Path, workers: int, seconds: float, side: int = 64) -> None:
        self.out = out
        self.diary = out / "diary"
        self.out.mkdir()
        self.diary.touch()
        self.generator = RayGenerator(
            RayOptions(
                generator="tests.benchmarks.ray_scaling:PacedGenerator",
                options={"seconds": seconds, "side": side, "diary": str(self.diary)},
                workers=workers,
                num_cpus=0,
                num_gpus=0,
            )
        )

    def begun(self) -> list[str]:
        """The diary."""
        return self.diary.read_text().splitlines()

    async def measure(self, items: int) -> Spent:
        """What it takes once the workers have started. Nothing may be lost."""
        benchmark = Benchmark("paced", instant_items(items), perfect)
        arms = make_arms(RENDERS, names=["refine"], changes={"target": None, "patience": None})
        async with connected([self.generator]):
            before = time.perf_counter(), time.process_time(), time.thread_time()
            with Cache(self.out / "cache") as memory:
                models = Models(memory.generator(self.generator), memory.critic(InstantCritic()))
                await run_arms(
                    benchmark,
                    arms,
                    models,
                    self.out,
                    renders=RENDERS,
                    concurrency=items,
                    pictures=memory.image_path,
                )
            after = time.perf_counter(), time.process_time(), time.thread_time()
        trials = list(read_trials(self.out))
        assert len(trials) == items
        assert all(t.settled and not t.faults and t.result.spent == RENDERS for t in trials)
        return Spent(*(there - then for there, then in zip(after, before, strict=True)))

    async def kill_one(self, when: int) -> None:
        """Kill the worker that begins the render after so many."""
        while len(self.begun()) <= when:  # noqa: ASYNC110  nothing tells when a file grows
            await asyncio.sleep(0.01)
        os.kill(int(self.begun()[when].split()[0]), signal.SIGKILL)


async def scaling(out: Path, items: int, seconds: float) -> None:
    """Two workers against one."""
    walls = [(await Run(out / f"{n}", n, seconds).measure(items)).wall for n in (1, 2)]
    print(f"{items} items, {RENDERS} rounds, {seconds:g} s a batch of up to {BATCH}")
    print(f"one worker {walls[0]:.1f} s, two {walls[1]:.1f} s")
    print(f"efficiency of two {walls[0] / 2 / walls[1]:.2f}  (goal 0.9)")


async def loss(out: Path, items: int, seconds: float) -> None:
    """One of two workers is killed when half is done."""
    run = Run(out / "killed", 2, seconds)
    killer = asyncio.create_task(run.kill_one(items * RENDERS // 2))
    spent = await run.measure(items)
    await killer
    begun = [line.split(" ", 1) for line in run.begun()]
    repeated = len(begun) - len({request for _, request in begun})
    print(
        f"one of two killed: {spent.wall:.1f} s, all {items} items are there; of {items * RENDERS} "
        f"renders {repeated} were done twice, by {len({pid for pid, _ in begun})} processes"
    )


async def driver(out: Path, items: int) -> None:
    """What a render and its judgement cost here beside the models."""
    await Run(out / "warm", 1, 0.0).measure(1)
    for side in (64, 1024):
        spent = await Run(out / f"driver-{side}", 1, 0.0, side).measure(items)
        each = 1000 / (items * RENDERS)
        start = time.process_time()
        for _ in range(3):
            png_data_url(photograph(side))
        packing = 1000 * (time.process_time() - start) / 3
        print(
            f"driver, {side} px: {each * spent.processor:.0f} ms of processor a render, of which "
            f"{each * spent.loop:.0f} ms in the event loop's thread; {packing:.0f} ms more to pack "
            "the picture for a critic behind an endpoint"
        )


async def main(items: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        await scaling(out, items, seconds)
        await loss(out, items, seconds)
        await driver(out, items)


if __name__ == "__main__":
    given = dict(enumerate(sys.argv[1:]))
    asyncio.run(main(int(given.get(0, 32)), float(given.get(1, 1.0))))
