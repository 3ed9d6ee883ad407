"""How long the command line takes to say hello.

    python -m tests.benchmarks.startup [runs]

Prints medians of `rr-refine --help` and of an empty interpreter (goal: 0.15 s for the help).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

HELP = "from rr_refine.cli.main import main; main(['--help'])"


def seconds(*arguments: str) -> float:
    """Wall time of one interpreter."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main(runs: int) -> None:
    """Measure in turn, so that noise of the machine falls on both."""
    seconds("-c", HELP)
    bare, help_text = [], []
    for _ in range(runs):
        bare.append(seconds("-c", "pass"))
        help_text.append(seconds("-c", HELP))
    print(f"empty interpreter  {statistics.median(bare):.3f} s")
    print(f"rr-refine --help   {statistics.median(help_text):.3f} s  (goal 0.15)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
