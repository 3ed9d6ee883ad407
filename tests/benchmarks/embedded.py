"""Many runs in one event loop, as a service has them: how long they hold it, and each other.

    python -m tests.benchmarks.embedded [runs] [repeats]

Generator and critic sleep for half a second each, so that a run of three rounds takes three
seconds at least. Prints the wall time of one run and of many at once (goal: 1.3 times that of
one), the processor time of a run, and the worst stall of the loop: how late a task that sleeps for
5 ms wakes up (goal: 50 ms). The same is measured first with nothing but tasks that sleep: what the
machine's other work makes of it. What is imported is taken out of garbage collection first
(`gc.freeze`), as services do: otherwise one collection takes 90 ms.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from PIL import Image, ImageDraw

from rr_refine import arefine
from rr_refine.generators.generator import Generator, OnStep, RenderRequest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.terms import Identity, Task
from tests.benchmarks.overhead import InstantCritic, policy

ROUNDS = 3
SIZE = 512  # pixels
WORK = 0.5  # seconds of a render, and of a judgement
_TICK = 0.005


class SleepingGenerator:
    """Gradients with a disc, which are drawn beforehand: it only waits."""

    identity = Identity(kind="bench", name="sleeping")
    tasks: frozenset[Task] = frozenset({"t2i"})

    def __init__(self) -> None:
        ramp = Image.linear_gradient("L").resize((SIZE, SIZE))
        ground = Image.merge("RGB", (ramp, ramp.rotate(90), ramp.rotate(180)))
        pictures = [ground.copy() for _ in range(SIZE // 8)]
        for at, picture in enumerate(pictures):
            ImageDraw.Draw(picture).ellipse((8 * at, 0, 8 * at + 64, 64), "red")
        self._pictures = cycle(pictures)

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        """Wait."""
        await asyncio.sleep(WORK)
        return next(self._pictures)


class SleepingCritic(InstantCritic):
    """It waits first."""

    identity = Identity(kind="bench", name="sleeping")

    async def critique(self, request: CritiqueRequest) -> Assessment:
        await asyncio.sleep(WORK)
        return await super().critique(request)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was seen while some work was done; all in seconds."""

    wall: float
    processor: float
    stalls: list[float]
    """How late the task woke up each time, the worst first."""


async def measure(work: Awaitable[object]) -> Measured:
    """Do the work, and watch the loop meanwhile."""
    late: list[float] = []

    async def watch() -> None:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(_TICK)
            late.append(time.perf_counter() - start - _TICK)

    watcher = asyncio.ensure_future(watch())
    await asyncio.sleep(0)
    wall, processor = time.perf_counter(), time.process_time()
    await work
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    watcher.cancel()
    return Measured(wall, processor, sorted(late, reverse=True))


async def runs(count: int, out: Path, first: int, generator: Generator) -> None:
    """So many runs at once, each with a request of its own."""
    done = await asyncio.gather(
        *(
            arefine(
                f"a red circle, number {number}",
                generator=generator,
                critic=SleepingCritic(),
                policy=policy(ROUNDS),
                out=out,
            )
            for number in range(first, first + count)
        )
    )
    assert all(len(run.candidates) == ROUNDS for run in done)


async def sleepers(count: int) -> None:
    """The same waits without any run around them."""

    async def sleep() -> None:
        for _ in range(2 * ROUNDS):
            await asyncio.sleep(WORK)

    await asyncio.gather(*(sleep() for _ in range(count)))


def show(name: str, seen: Measured, count: int) -> None:
    """One line of the table."""
    p99 = seen.stalls[len(seen.stalls) // 100]
    print(
        f"{name:14} wall {seen.wall:5.2f} s, processor {1000 * seen.processor / count:5.0f} ms "
        f"a run, worst stall {1000 * seen.stalls[0]:5.0f} ms, 99th percentile {1000 * p99:4.0f} ms",
        flush=True,
    )


async def main(count: int, repeats: int) -> None:
    """Measure in turn, so that noise of the machine falls on all alike."""
    generator = SleepingGenerator()
    with tempfile.TemporaryDirectory() as out:
        await runs(1, Path(out), 0, generator)  # imports
        gc.collect()
        gc.freeze()
        number = 1
        for _ in range(repeats):
            show("only sleep", await measure(sleepers(count)), count)
            one = await measure(runs(1, Path(out), number, generator))
            show("one run", one, 1)
            many = await measure(runs(count, Path(out), number + 1, generator))
            number += 1 + count
            show(f"{count} at once", many, count)
            print(f"  {many.wall / one.wall:.2f} times one run  (goal 1.3)", flush=True)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*(given + [50, 3][len(given) :])))
