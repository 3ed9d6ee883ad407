"""How far a long piece of work is: a line on stderr every few seconds."""

from __future__ import annotations

import time
from typing import Final

from rr_refine.cli.terminal import is_attended
from rr_refine.cli.text import overwrite, tell

__all__ = ["Progress"]

_TICK: Final = 5.0
"""Seconds between two lines; on a terminal, where a line takes the place of the last, a tenth."""


class Progress:
    """Prints how much is done, how fast it goes, and what is left."""

    def __init__(self) -> None:
        self._what = ""
        self._start = self._printed = 0.0
        self._first = 0
        self._overwrites = is_attended()

    def begin(self, what: str, before: int) -> None:
        """Start to count; the `before` that an earlier session did do not count for the rate."""
        self._what, self._start, self._first = what, time.monotonic(), before

    def __call__(
        self, what: str, done: int, owed: int, failed: int = 0, score: float | None = None
    ) -> None:
        """Print a line, if it is time for one.

        Args:
            what: the noun for what is counted, in the plural. Another noun starts a new count.
            done: of `owed`; those of earlier sessions count.
            failed: of those done.
            score: the score so far.
        """
        now = time.monotonic()
        if what != self._what:
            self.begin(what, 0)
        elif now - self._printed < (_TICK / 10 if self._overwrites else _TICK) and done != owed:
            return
        self._printed = now
        parts = [f"{done} of {owed} {what}"]
        if failed:
            parts.append(f"{failed} failed")
        if score is not None:
            parts.append(f"score {score:.3f}")
        spent = now - self._start
        rate = (done - self._first) / spent if spent else 0.0
        if done < owed and rate > 0:
            parts.append(f"{rate:.2g}/s" if rate >= 0.1 else f"{1 / rate:.0f} s each")
            parts.append(f"{_span((owed - done) / rate)} left")
        else:
            parts.append(_span(spent))
        line = ", ".join(parts)
        if self._overwrites:
            overwrite(line, last=done == owed)
        else:
            tell(line)


def _span(seconds: float) -> str:
    """`42 s`, `7 min`, `3.1 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
