"""Events of a resumed run: what an earlier session reported is not reported again.

A resumed run replays its journal from the beginning, see `rr_refine.agent.session`, so the same
events occur again. They are held back as long as they match those of the earlier session. When one
does not, the run has taken another course (a critique that had failed is there now). Then all
events are reported anew, from `run-started` on, and readers forget what came before it. Where a
finished run goes on because somebody said so, what follows is reported behind its end.

Where a checkpoint tells how far the run is, it goes on in the middle, with the step that was
broken off, and repeats the last events of the earlier session only.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pydantic import ValidationError

from rr_refine.agent.events import (
    Event,
    Reviewed,
    ReviewRequested,
    RunFinished,
    RunStarted,
    StepDone,
    read_event,
)
from rr_refine.agent.store.journal import MAX_JOURNAL
from rr_refine.lines import read_lines

__all__ = ["EventDedup"]

_INCIDENTAL = {
    "time",
    "seconds",
    "cached",
    "spend",
    "cost",
    "path",
    "run",
    "result",
    "width",
    "height",
}
"""Fields that may differ between two reports of one event."""


class EventDedup:
    """Lets new events through, and repeats none.

    Args:
        path: `events.jsonl` as the earlier sessions left it. A file that cannot be read counts as
            empty: then everything is reported.
    """

    def __init__(self, path: Path) -> None:
        self._past: list[str] = []
        self._ends: set[str] = set()
        self._reported: Counter[str] | None = None
        self._held: list[Event] | None = None
        try:
            reported = [read_event(line) for line in read_lines(path, limit=MAX_JOURNAL)]
        except (OSError, ValidationError):
            return
        for event in reported:
            if isinstance(event, RunStarted):
                self._past.clear()
            if isinstance(event, Reviewed) and self._ends:
                self._past = [key for key in self._past if key not in self._ends]
                self._ends.clear()
            if isinstance(event, RunFinished):
                self._ends.add(_key(event))
            if not isinstance(event, ReviewRequested):  # asked again in every session
                self._past.append(_key(event))

    def new(self, event: Event, *, fresh: bool = False) -> list[Event]:
        """The events to report now that this one has happened.

        Args:
            fresh: it was not reported, though an earlier one may be the same.
        """
        if isinstance(event, StepDone):
            return [event]
        key = _key(event)
        if self._reported is None:
            self._reported = self._begin(event, key)
        if self._reported[key] and not fresh:
            self._reported[key] -= 1
            if self._held is not None:
                self._held.append(event)
            return []
        if isinstance(event, Reviewed):  # behind an end: it goes on, and the end is no end
            for end in self._ends:
                del self._reported[end]
            self._ends.clear()
        held = self._held if self._held and self._reported.total() else []
        if self._held is not None or fresh:
            self._held, self._reported = None, Counter()
        return [*held, event]

    def _begin(self, event: Event, key: str) -> Counter[str]:
        """What may be repeated in this session, by its first event."""
        if isinstance(event, RunStarted):
            self._held = []
            return Counter(self._past)
        if key not in self._past:
            return Counter()
        last = len(self._past) - self._past[::-1].index(key) - 1
        return Counter(self._past[last:])


def _key(event: Event) -> str:
    return event.model_dump_json(exclude=_INCIDENTAL)
