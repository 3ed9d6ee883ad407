"""A run that is cancelled ends, at whichever moment that comes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rr_refine.agent.events import Event, ReviewRequested
from rr_refine.agent.review import Accept, Decision, ReviewRequest
from rr_refine.agent.run import load_run
from tests.agent.records import only_run
from tests.agent.whole import policy, run


@pytest.mark.parametrize("turns", range(30))
async def test_nobody_is_asked_after_it(turns: int, tmp_path: Path) -> None:
    """So many turns of the event loop after the question was told: LangGraph cleans up then, and
    lets a cancellation get lost at one of them.
    """
    asked_late = False

    async def reviewer(question: ReviewRequest) -> Decision:
        nonlocal asked_late
        asked_late = task.cancelling() > 0
        if not asked_late:
            await asyncio.Event().wait()
        return Accept()

    def cancel_after(left: int) -> None:
        if left:
            asyncio.get_running_loop().call_soon(cancel_after, left - 1)
        else:
            task.cancel()

    def heard(event: Event) -> None:
        if isinstance(event, ReviewRequested):
            cancel_after(turns)

    reviewed = policy(review=True, rewriters=("rules",))
    task = asyncio.create_task(run(tmp_path, reviewer=reviewer, on_event=heard, policy=reviewed))
    await asyncio.wait([task])
    assert not asked_late
    assert task.cancelled()
    assert load_run(only_run(tmp_path)).status == "interrupted"
