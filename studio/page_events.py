"""The events of a run as the page reads them: lines of JSON, a new prompt with its changes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from rr_refine.agent.diff import diff_words, spaced
from rr_refine.agent.events import (
    Event,
    Judged,
    ReviewRequested,
    Rewritten,
    RoundStarted,
    read_event,
    write_event,
)
from rr_refine.reward.rationale import excerpt

__all__ = ["PageEvents", "event_of"]

_ADDED: Final = ("diff", "excerpt")


class PageEvents:
    """Lines of JSON in the order of the events.

    A started round and a question have a `diff` to the prompt before: a list of kind (`same`,
    `added` or `dropped`), words, and the space behind them. What was judged has the `excerpt`
    of its reason that says what is wrong, where it says more.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.lines: list[str] = []
        self._prompts: dict[int, str] = {}
        self._rewritten: Rewritten | None = None
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Append an event."""
        line = write_event(event)
        match event:
            case Judged():
                line = _with(line, excerpt=excerpt(event.reason))
            case Rewritten():
                self._rewritten = event
            case RoundStarted():
                self._prompts[event.round] = event.prompt
                if (before := self._prompts.get(event.round - 1, event.prompt)) != event.prompt:
                    line = _with_diff(line, before, event.prompt)
            case ReviewRequested(request=question):
                before = question.incumbent.prompt if question.incumbent else question.request
                last = self._rewritten
                if last is not None and last.proposal.prompt == question.proposal.prompt:
                    before = last.previous
                line = _with_diff(line, before, question.proposal.prompt)
            case _:
                pass
        self.lines.append(line)


def event_of(line: str) -> Event:
    """The event of a line, without what only the page needs."""
    fields = json.loads(line)
    return read_event(json.dumps({k: v for k, v in fields.items() if k not in _ADDED}))


def _with_diff(line: str, before: str, after: str) -> str:
    return _with(line, diff=list(spaced(diff_words(before, after))))


def _with(line: str, **more: object) -> str:
    return json.dumps({**json.loads(line), **more})
