"""The end of a process that does not end: a part of the user's may wait for ever."""

from __future__ import annotations

import os
import threading
from typing import Final

from rr_refine.cli.exits import INTERRUPTED
from rr_refine.cli.text import tell

__all__ = ["cut_off_later"]

_SECONDS: Final = 30.0
"""From being told to end until it is cut off; what is done to end takes three."""


def cut_off_later() -> None:
    """End the process after a while, whatever it waits for: a task, a thread or a reader."""
    timer = threading.Timer(_SECONDS, _cut_off)
    timer.daemon = True
    timer.start()


def _cut_off() -> None:
    words = (
        f"cut off: it did not end within {_SECONDS:g} s; unfinished runs can go on the next time"
    )
    saying = threading.Thread(target=tell, args=(words,), daemon=True)
    saying.start()
    saying.join(1)  # nobody may read
    os._exit(INTERRUPTED)
