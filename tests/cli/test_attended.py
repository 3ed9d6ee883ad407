"""A question at the terminal that stays open."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

WAITS = """
import asyncio, time
from rr_refine.cli import terminal
terminal._PULSE = 0.0005
async def main():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(2, print)
    with terminal.attended():
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            time.sleep(0.01)
asyncio.run(main())
"""


def test_a_question_may_stay_open() -> None:
    """The event loop that stands still meanwhile has room for some hundred signals."""
    controller, own = pty.openpty()
    try:
        ended = subprocess.run(
            [sys.executable, "-c", WAITS], stdin=own, capture_output=True, timeout=60, check=False
        )
    finally:
        os.close(own)
        os.close(controller)
    assert (ended.returncode, ended.stderr) == (0, b"")
