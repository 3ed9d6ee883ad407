"""Events of a run that goes on: what an earlier session told is not told again.

A run that goes on is gone over from its beginning, see `rr_refine.agent.session`, and comes by the
same events again. They are held back as long as they are those of the earlier session. If one is
not, the run has taken another course (a critique that had failed is there now): then everything is
told anew from `run-started` on, so that whoever reads the events can forget the course before.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pydantic import ValidationError

from rr_refine.agent.events import Event, ReviewRequested, RunStarted, StepDone, read_event
from rr_refine.lines import read_lines

__all__ = ["EventDedup"]

_INCIDENTAL = {"time", "seconds", "cached", "spend", "path", "run", "result"}
"""What may differ between two tellings of one event."""


class EventDedup:
    """Lets new events through, and repeats none.

    Args:
        path: `events.jsonl` as the earlier sessions left it. One that cannot be read counts as
            empty: then everything is told.
    """

    def __init__(self, path: Path) -> None:
        self._told: Counter[str] = Counter()
        self._held: list[Event] = []
        try:
            told = [read_event(line) for line in read_lines(path)]
        except (OSError, ValidationError):
            return
        for event in told:
            if isinstance(event, RunStarted):
                self._told.clear()
            if not isinstance(event, ReviewRequested):  # asked again in every session
                self._told[_key(event)] += 1

    def new(self, event: Event) -> list[Event]:
        """What is to be told now that this has happened."""
        if isinstance(event, StepDone):
            return [event]
        if self._told[key := _key(event)]:
            self._told[key] -= 1
            self._held.append(event)
            return []
        held = self._held if self._told.total() else []
        self._held, self._told = [], Counter()
        return [*held, event]


def _key(event: Event) -> str:
    return event.model_dump_json(exclude=_INCIDENTAL)
