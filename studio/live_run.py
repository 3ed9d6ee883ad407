"""A run in progress in this process: pages follow it, and one of them may decide.

Nobody has to look: closing the page changes nothing, and a page that comes back gets everything.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from rr_refine.agent.events import Event, Rendered, RenderFailed, StepDone, write_event
from rr_refine.agent.job import Job
from rr_refine.agent.review import Decision, Quit, ReviewRequest, require_possible
from rr_refine.agent.session import run_job
from rr_refine.agent.store.folder import RunFolder
from rr_refine.component import connected
from rr_refine.errors import ConfigError, RefineError
from rr_refine.redaction import clean, told
from rr_refine.room import Share
from rr_refine.studio.history import has_result
from rr_refine.studio.page_events import PageEvents
from rr_refine.studio.state import Parent, RunState, StudioStatus

__all__ = ["LiveRun", "Message"]

logger = logging.getLogger(__name__)

_IN_LINE = "It waits for room: other runs with large pictures are at work."

Message = tuple[str, str, int | None]
"""Kind (`event`, `step` or `state`), JSON, and the number of an event."""


class LiveRun:
    """One session of a run; it begins at once.

    Args:
        folder: the run's, open for work; closed when the session ends.
        job: its generator and critic must be connected; its other parts are connected here.
        notes: what the models cannot do with its prompt.
        past: events of earlier sessions.
        place: what it takes of the room for pictures.
        parent: the picture that the run comes from.
        on_end: called when the session is over, before any page hears of it.
    """

    def __init__(
        self,
        folder: RunFolder,
        job: Job,
        notes: tuple[str, ...],
        past: PageEvents,
        place: Share,
        on_end: Callable[[LiveRun], None],
        *,
        parent: Parent | None = None,
    ) -> None:
        self.name = folder.path.name
        self.problem = ""
        """Why the session broke off, if it did."""
        self._folder, self._job, self._notes, self._on_end = folder, job, notes, on_end
        self._events, self._place, self._parent = past, place, parent
        self._steps: dict[str, StepDone] = {}
        self._question: ReviewRequest | None = None
        self._answer: asyncio.Future[Decision] | None = None
        self._questions = 0
        self._over = False
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"studio {self.name}")

    @property
    def status(self) -> StudioStatus:
        """What it is doing."""
        return "waiting" if self._question else "working"

    @property
    def state(self) -> RunState:
        """Where the run is."""
        return RunState(
            name=self.name,
            request=self._job.request,
            policy=self._job.policy,
            notes=(*self._notes, _IN_LINE) if self._place.in_line else self._notes,
            status=self.status,
            question=self._questions if self._question else None,
            result=has_result(self._folder.path),
            parent=self._parent,
        )

    async def stop(self) -> None:
        """End the run with the best image so far.

        A run that asks for a decision gets the decision to stop, and is done. Any other ends in
        the middle of its work, and can go on later.
        """
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Quit())
        else:
            await self.cancel()

    async def cancel(self) -> None:
        """Break off; the folder keeps everything that was finished."""
        self._task.cancel()
        await asyncio.wait([self._task])

    def decide(self, number: int, decision: Decision) -> None:
        """Answer the open question.

        Raises:
            ConfigError: it is not open (any more), or the decision cannot be carried out.
        """
        answer, question = self._answer, self._question
        if answer is None or question is None or answer.done() or number != self._questions:
            raise ConfigError("this was decided already, maybe in another tab")
        require_possible(question, decision)
        answer.set_result(decision)

    async def follow(self, start: int = 0) -> AsyncIterator[Message]:
        """Everything that happened from event number `start` on, and what happens until the end.

        Steps are sent as they are when there is time for it; the page misses none that matters.
        """
        at, state, steps = start, "", dict[str, StepDone]()
        while True:
            changed = self._changed  # before looking, so that no change goes unnoticed
            while at < len(self._events.lines):
                at += 1
                yield "event", self._events.lines[at - 1], at
            for name, step in list(self._steps.items()):
                if steps.get(name) is not step:
                    steps[name] = step
                    yield "step", write_event(step), None
            if self._over:
                return  # its last state is in the folder
            now = self.state.write()
            if now != state:
                state = now
                yield "state", state, None
            await changed.wait()

    async def _run(self) -> None:
        try:
            own = (*self._job.rewriters, self._job.intent_check, *self._job.evidence)
            async with connected(own):
                await self._take_place()
                session = run_job(self._folder, self._job, reviewer=self._review)
                async with aclosing(session) as events:
                    async for event in events:
                        self._add(event)
        except asyncio.CancelledError:
            pass  # that is how it is stopped; the folder says `interrupted`
        except RefineError as error:
            self.problem = str(error)
        except Exception as error:  # noqa: BLE001  shown like any other, and logged with its trace
            logger.error("run %s broke off\n%s", self.name, clean(traceback.format_exc()))
            self.problem = f"an error of the program: {told(error)}"
        finally:
            self._place.leave()
            self._folder.close()
            self._over = True
            self._on_end(self)
            self._wake()

    async def _take_place(self) -> None:
        asyncio.get_running_loop().call_soon(self._wake)  # by then it is known to be in line
        await self._place.take()
        self._wake()

    async def _review(self, question: ReviewRequest) -> Decision:
        self._place.leave()
        self._answer = asyncio.get_running_loop().create_future()
        self._question, self._questions = question, self._questions + 1
        self._wake()
        try:
            answer = await self._answer
        finally:
            self._question = self._answer = None
            self._wake()
        await self._take_place()
        return answer

    def _add(self, event: Event) -> None:
        if isinstance(event, StepDone):
            self._steps[event.candidate] = event
        else:
            if isinstance(event, Rendered | RenderFailed):
                self._steps.pop(event.candidate, None)
            self._events.add(event)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
