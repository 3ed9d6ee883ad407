"""Events of a resumed run: what an earlier session reported is not reported again.

A resumed run replays its journal from the beginning, see `rr_refine.agent.session`, so the same
events occur again. They are held back as long as they match those of the earlier session. When one
does not, the run has taken another course (a critique that had failed is there now). Then all
events are reported anew, from `run-started` on, and readers forget what came before it. Where a
finished run goes on because somebody said so, what follows is reported behind its end.
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

_INCIDENTAL = {"time", "seconds", "cached", "spend", "path", "run", "result", "width", "height"}
"""Fields that may differ between two reports of one event."""


class EventDedup:
    """Lets new events through, and repeats none.

    Args:
        path: `events.jsonl` as the earlier sessions left it. A file that cannot be read counts as
            empty: then everything is reported.
    """

    def __init__(self, path: Path) -> None:
        self._reported: Counter[str] = Counter()
        self._ends: set[str] = set()
        self._held: list[Event] = []
        try:
            reported = [read_event(line) for line in read_lines(path, limit=MAX_JOURNAL)]
        except (OSError, ValidationError):
            return
        for event in reported:
            if isinstance(event, RunStarted):
                self._reported.clear()
            if isinstance(event, Reviewed):
                self._forget_end()
            if isinstance(event, RunFinished):
                self._ends.add(_key(event))
            if not isinstance(event, ReviewRequested):  # asked again in every session
                self._reported[_key(event)] += 1

    def new(self, event: Event) -> list[Event]:
        """The events to report now that this one has happened."""
        if isinstance(event, StepDone):
            return [event]
        if self._reported[key := _key(event)]:
            self._reported[key] -= 1
            self._held.append(event)
            return []
        if isinstance(event, Reviewed):
            self._forget_end()
        held = self._held if self._reported.total() else []
        self._held, self._reported = [], Counter()
        return [*held, event]

    def _forget_end(self) -> None:
        """What is decided behind an end is that the run goes on: the end does not come again."""
        for key in self._ends:
            del self._reported[key]
        self._ends.clear()


def _key(event: Event) -> str:
    return event.model_dump_json(exclude=_INCIDENTAL)
