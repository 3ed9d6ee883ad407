"""Ten thousand items on instant fakes: items per second, memory, and what a kill costs.

    python -m tests.benchmarks.scale [items]

Two arms, one-shot and refine with three renders, of pictures of 128 pixels a side. One process goes
through all items and tells its memory after the first 5 % and at the end (goal: less than 50 MB
more). Another does the same and is killed without notice half-way; a third goes on from there.
Renders and critiques that are done again are counted by the fakes (goal: less than 1 % of all).
Needs Linux, and about 120 KB of disk for each item.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from PIL import Image

from rr_refine.benchmarks.arms import make_arms
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.engine import Models, read_trials, run_arms
from rr_refine.benchmarks.item import Benchmark
from rr_refine.benchmarks.trial import Trial
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from tests.benchmarks.harness import InstantCritic, InstantGenerator, instant_items, perfect

RENDERS: Final = 3
EARLY: Final = 0.05
"""Share of the trials after which memory is read for the first time."""


class Log:
    """Counts calls in a file, a byte each, so that a killed process has counted too."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def count(self) -> None:
        os.write(self._file, b".")


class CountedGenerator(InstantGenerator):
    def __init__(self, log: Log) -> None:
        self._log = log

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        self._log.count()
        return await super().generate(request)


class CountedCritic(InstantCritic):
    def __init__(self, log: Log) -> None:
        self._log = log

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self._log.count()
        return await super().critique(request)


async def work(out: Path, log: Log, count: int) -> None:
    """One session; tells how it goes on stdout: trials, seconds, KB of memory."""
    arms = make_arms(
        RENDERS, names=["one-shot", "refine"], changes={"target": None, "patience": None}
    )
    marks = {max(1, round(EARLY * count * len(arms))), count * len(arms)}
    start, done = time.perf_counter(), 0

    def told(trial: Trial) -> None:
        nonlocal done
        done += 1
        if done in marks:
            print(done, time.perf_counter() - start, memory(), flush=True)

    with Cache(out / "cache") as cache:
        models = Models(cache.generator(CountedGenerator(log)), cache.critic(CountedCritic(log)))
        await run_arms(
            Benchmark("instant", instant_items(count), perfect),
            arms,
            models,
            out,
            renders=RENDERS,
            pictures=cache.image_path,
            on_trial=told,
        )
    assert sum(trial.settled for trial in read_trials(out)) == count * len(arms)


def memory() -> int:
    """KB of this process in main memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


def session(out: Path, log: Path, count: int, *, kill_after: int | None = None) -> list[str]:
    """A session in a process of its own, killed after so many trials; gives what it told."""
    command = [sys.executable, "-m", "tests.benchmarks.scale", str(count), str(out), str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        if kill_after is None:
            told, _ = process.communicate()
            assert process.returncode == 0
            return told.splitlines()
        trials = out / "trials.jsonl"
        while not trials.exists() or lines(trials) < kill_after:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.05)
        process.kill()
        return []


def lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def main(count: int) -> None:
    """Measure, and print."""
    folder = Path(tempfile.mkdtemp())
    try:
        whole, cut = folder / "whole", folder / "cut"
        first, last = (line.split() for line in session(whole, folder / "whole.log", count))
        runs, seconds = int(last[0]), float(last[1])
        print(f"{count} items, {runs} runs: {count / seconds:.1f} items a second, ", end="")
        print(f"{1000 * seconds / runs:.1f} ms a run")
        grown = (int(last[2]) - int(first[2])) / 1024
        print(f"memory {int(first[2]) / 1024:.0f} MB after {first[0]} runs, ", end="")
        print(f"{grown:+.1f} MB at the end  (goal: less than 50)", flush=True)
        shutil.rmtree(whole)
        session(cut, folder / "cut.log", count, kill_after=runs // 2)
        before = (folder / "cut.log").stat().st_size
        _, last = (line.split() for line in session(cut, folder / "cut.log", count))
        needed, made = ((folder / f"{name}.log").stat().st_size for name in ("whole", "cut"))
        print(f"killed after {before} of {needed} renders and critiques; ", end="")
        print(f"{made - needed} done again, {100 * (made - needed) / needed:.2f} %  (goal: 1)")
        print(f"going on took {float(last[1]):.0f} s, in the end {int(last[2]) / 1024:.0f} MB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(work(Path(sys.argv[2]), Log(Path(sys.argv[3])), int(sys.argv[1])))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
