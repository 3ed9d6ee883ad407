"""How long a newcomer waits: the README's request on the models in the box, from a cold start.

    python -m tests.benchmarks.first_run [runs]

Prints medians, over runs in processes of their own, until the first picture is there and until the
run is at its end (goals on two cores: 15 s and 45 s).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from itertools import count

PROMPT = "three red circles left of a blue star"
RUN = "from rr_refine.cli.main import main; main()"


def waits(seed: int) -> tuple[float, float]:
    """Seconds until the first picture, and until the end."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", RUN, PROMPT, "--seed", str(seed), "--json"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as run:
            assert run.stdout is not None
            first = 0.0
            for line in run.stdout:
                if not first and '"rendered"' in line:
                    first = time.perf_counter() - start
        assert run.returncode == 0 and first
        return first, time.perf_counter() - start


def main(runs: int) -> None:
    """Measure one run after the other, each with another seed."""
    seeds = count()
    waits(next(seeds))
    first, whole = zip(*(waits(next(seeds)) for _ in range(runs)), strict=True)
    print(f"first picture  {statistics.median(first):.1f} s  (goal 15)")
    print(f"whole run      {statistics.median(whole):.1f} s  (goal 45)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
