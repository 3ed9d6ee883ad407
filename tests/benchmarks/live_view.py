"""What the live view costs over the plain display.

    python -m tests.benchmarks.live_view [runs]

The same run of four rounds on fakes that sleep, 8 seconds in all with 20 steps a render, which is
about the pace of the sketch models, in a terminal of 100 columns. What counts is processor time of
the whole process (user and system): it is what a model would have had. Prints medians, and the
difference as a share of the 8 seconds (goal: less than 2 %).
"""

from __future__ import annotations

import fcntl
import os
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
from threading import Thread

PROGRAM = "from rr_refine.cli.main import main; main()"
ROUNDS, RENDER, JUDGE = 4, 1.5, 0.5  # seconds
COMMAND = (
    *("three red circles left of a blue star", "--generator=fake", "--critic=fake"),
    *(f"--set=generator.seconds={RENDER}", "--set=generator.steps=20"),
    *(f"--set=critic.seconds={JUDGE}", f"--rounds={ROUNDS}"),
    *("--set=loop.target=null", "--set=loop.patience=null", "--set=loop.pairwise=false"),
)


def seconds(*flags: str) -> float:
    """Processor time of one run in a terminal."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 40, 100, 0, 0))
    shown = Thread(target=_drain, args=(controller,))
    shown.start()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *COMMAND, *flags],
            cwd=folder,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    os.close(terminal)
    shown.join()
    os.close(controller)
    if process.returncode:
        sys.exit(f"the run ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def _drain(controller: int) -> None:
    try:
        while os.read(controller, 65536):
            pass
    except OSError:  # the last one to have the terminal open closed it
        return


def main(runs: int) -> None:
    """Measure in turn, so that noise of the machine falls on both."""
    plain, live = [], []
    for _ in range(runs):
        plain.append(seconds("--plain"))
        live.append(seconds())
    slept = ROUNDS * (RENDER + JUDGE)
    cost = statistics.median(live) - statistics.median(plain)
    print(f"{runs} runs each of {ROUNDS} rounds and {slept:.0f} s, medians of processor time")
    print(f"plain lines  {statistics.median(plain):.3f} s  ({min(plain):.3f} to {max(plain):.3f})")
    print(f"live view    {statistics.median(live):.3f} s  ({min(live):.3f} to {max(live):.3f})")
    print(f"cost         {100 * cost / slept:.2f} % of the {slept:.0f} s  (goal 2)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
