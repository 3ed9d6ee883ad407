"""What a benchmark costs beside its models: every arm on instant fakes.

    python -m tests.benchmarks.harness [items]

Prints processor time and wall time per run of the loop (folder, journal, checkpoints, cache), and
what that makes for 300 items and six arms (goal: two minutes of a half-hour benchmark). Wall time
holds the waits for the disk, during which models can work.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from rr_refine.benchmarks.arms import ARMS, make_arms
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.engine import Models
from rr_refine.benchmarks.item import Benchmark, Item, Mark
from rr_refine.benchmarks.measure import measure
from tests.benchmarks.overhead import InstantCritic

if TYPE_CHECKING:
    from rr_refine.generators.generator import OnStep, RenderRequest
    from rr_refine.terms import Identity, Task

WHOLE = 300 * len(ARMS)  # runs


class InstantGenerator:
    """A flat picture of 128 pixels a side, whose colour tells prompt and seed."""

    identity: Identity = InstantCritic.identity
    tasks: frozenset[Task] = frozenset({"t2i"})

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        code = hash((request.prompt, request.seed))
        return Image.new("RGB", (128, 128), (code % 255 + 1, code // 255 % 255, 9))


async def run(items: int, out: Path) -> tuple[int, float, float]:
    """Runs, processor seconds and wall seconds of a benchmark."""
    benchmark = Benchmark(
        "instant",
        tuple(Item(f"item-{i}", f"three hats, take {i}", seed=100 * i) for i in range(items)),
        lambda _item, _image: Mark(exact=True, score=4.0),
    )
    arms = make_arms(4, changes={"target": None, "patience": None})
    processor, wall = time.process_time(), time.perf_counter()
    with Cache(out / "cache") as cache:
        models = Models(InstantGenerator(), InstantCritic())
        await measure(benchmark, arms, models, cache, out, renders=4)
    return items * len(arms), time.process_time() - processor, time.perf_counter() - wall


async def main(items: int) -> None:
    """Measure once warm."""
    with tempfile.TemporaryDirectory() as out:
        await run(1, Path(out) / "warm")
        runs, processor, wall = await run(items, Path(out) / "measured")
    print(f"{runs} runs: {items} items, {len(ARMS)} arms, 4 renders")
    for name, seconds in (("processor", processor), ("wall", wall)):
        each = seconds / runs
        print(f"{name:9} {1000 * each:6.1f} ms a run, {each * WHOLE:4.0f} s for {WHOLE} runs")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 25))
