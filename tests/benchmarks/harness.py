"""What a benchmark costs beside its models: every arm on instant fakes.

    python -m tests.benchmarks.harness [items]

Prints processor time and wall time per run of the loop (folder, journal, cache, trial), and what
that makes for 300 items and six arms (goal: two minutes of a half-hour benchmark). Wall time holds
the waits for the disk, during which models can work.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from zlib import crc32

from PIL import Image
from pydantic import JsonValue

from rr_refine.benchmarks.arms import ARMS, make_arms
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.engine import Models, read_trials, run_arms
from rr_refine.benchmarks.item import Benchmark, Item, Mark
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.critique import Critique
from rr_refine.terms import Identity, Task, Usage

WHOLE = 300 * len(ARMS)  # runs


class InstantGenerator:
    """A flat picture whose colour tells prompt and seed, in every process alike."""

    identity: Identity = Identity(kind="bench", name="instant")
    tasks: frozenset[Task] = frozenset({"t2i"})

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        code = crc32(f"{request.prompt} {request.seed}".encode())
        colour = (1 + code % 255, code // 255 % 256, code // 65280 % 256)
        return Image.new("RGB", (128, 128), colour)


class InstantCritic:
    """A judgement that the picture alone decides, and a new prompt for each."""

    identity: Identity = Identity(kind="bench", name="instant")

    async def critique(self, request: CritiqueRequest) -> Assessment:
        code = crc32(request.image.tobytes())
        score = 1.0 + code % 25 / 10
        words = dict.fromkeys(("text_faithfulness", "physical_quality", "text_rendering"), "seen")
        critique = Critique(
            task="t2i",
            scores={"text_faithfulness": score, "physical_quality": score, "text_rendering": None},
            rationales=words,
            refined_request=f"{request.prompt}, take {code}",
            raw="seen",
        )
        return Assessment(critic=self.identity, critiques=(critique,), usage=Usage(calls=1))


async def perfect(item: Item, image: Image.Image) -> Mark:
    """Every picture is."""
    return Mark(exact=True, score=4.0)


def instant_items(count: int) -> tuple[Item, ...]:
    """Items that no fake takes for another."""
    return tuple(Item(f"item-{i}", f"three hats, take {i}", seed=100 * i) for i in range(count))


def kept(cache: Path) -> list[tuple[str, str, dict[str, JsonValue]]]:
    """All that is in the folder of a `Cache`, as (kind, key, value)."""
    with closing(sqlite3.connect(cache / "cache.sqlite")) as file:
        rows = file.execute("SELECT kind, key, value FROM items").fetchall()
    return [(kind, key, json.loads(value)) for kind, key, value in rows]


async def run(items: int, out: Path) -> tuple[int, float, float]:
    """Runs, processor seconds and wall seconds of a benchmark."""
    benchmark = Benchmark("instant", instant_items(items), perfect)
    arms = make_arms(4, changes={"target": None, "patience": None})
    processor, wall = time.process_time(), time.perf_counter()
    with Cache(out / "cache") as cache:
        models = Models(cache.generator(InstantGenerator()), cache.critic(InstantCritic()))
        await run_arms(benchmark, arms, models, out, renders=4, pictures=cache.image_path)
    processor, wall = time.process_time() - processor, time.perf_counter() - wall
    assert all(trial.settled for trial in read_trials(out))
    return items * len(arms), processor, wall


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
