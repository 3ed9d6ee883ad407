"""What every node has at hand: the run's live objects, its clock, and its events."""

from __future__ import annotations

import asyncio
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Coroutine, Iterable
from contextvars import copy_context
from functools import wraps
from typing import TYPE_CHECKING, Final, Literal, Protocol

from langgraph.errors import GraphBubbleUp

from rr_refine.agent.budget import Cost, Spend, left
from rr_refine.agent.effects import EffectResult, Effects
from rr_refine.agent.events import Event, Notice, StepDone
from rr_refine.agent.history import OUT_OF_BUDGET, Failure
from rr_refine.agent.state import RefineState, RunContext, request_of
from rr_refine.boundary import trace_of
from rr_refine.component import outsiders
from rr_refine.errors import (
    ConfigError,
    CriticAnswerError,
    CriticTimeout,
    GeneratorTimeout,
    OverBudgetError,
    RefineError,
    StoreLockedError,
)
from rr_refine.generators.generator import OnStep
from rr_refine.generators.prompt_fit import PromptFit
from rr_refine.notices import shortened
from rr_refine.telemetry import Traced, heard
from rr_refine.threads import in_thread

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

__all__ = ["NodeContext", "exclusive"]


_RAW: Final = 100_000
"""Characters of an unreadable answer that are kept: every later question repeats them."""


class _Node(Protocol):
    def __call__(
        self, state: RefineState, runtime: Runtime[RunContext]
    ) -> Coroutine[object, object, RefineState]: ...


class NodeContext:
    """The context of one node while it runs."""

    def __init__(self, state: RefineState, runtime: Runtime[RunContext]) -> None:
        self.context = runtime.context
        self.request = request_of(state)
        self.effects = Effects(self.request, self.context)
        self._write = runtime.stream_writer
        self._render_timeout = state["policy"].render_timeout
        self._seconds_left = left(
            state["policy"].budget.seconds, state.get("spend", Spend()).seconds
        )
        self._start = time.monotonic()
        self._cost = state.get("spend", Spend()).cost
        self.context.ledger.limit = state["policy"].budget.usd

    def emit(self, event: Event, *, fresh: bool = False) -> None:
        """Stream an event and append it to the run's file, if no earlier session did.

        Steps are streamed only.

        Args:
            fresh: no earlier session did, as is known.
        """
        if (cost := self.context.ledger.so_far) != Cost():
            event = event.model_copy(update={"cost": cost})
        dedup = self.context.dedup
        for new in [event] if dedup is None else dedup.new(event, fresh=fresh):
            self._write(new)
            if not isinstance(new, StepDone):
                heard(new.type, getattr(new, "candidate", None))
                self.context.folder.tell(new)

    def tell(self, part: str, notices: Iterable[str]) -> None:
        """Emit notices of a part that are about the run as a whole; each is told once."""
        for notice in notices:
            text = f"{part}: {notice}"
            if text not in self.context.told:
                self.context.told.add(text)
                self.emit(Notice(text=text))

    async def outside(self) -> str:
        """Who understands nothing of the request; see `rr_refine.component.outsiders`."""
        context, asked = self.context, self.request.prompt
        if asked not in context.outside:
            sources = await self.effects.pictures.sources(1)
            context.outside[asked] = await in_thread(
                outsiders, context.job.generator, context.job.critic, self.request, *sources
            )
        return context.outside[asked]

    def on_step(self, candidate: str) -> OnStep:
        """A step callback for a render that may call it from any thread."""
        loop, here = asyncio.get_running_loop(), threading.current_thread()
        # LangGraph's writer finds its node in the context, which other threads and tasks lack.
        context = copy_context()

        def tell(event: StepDone) -> None:
            if threading.current_thread() is here:
                context.copy().run(self._write, event)
            else:
                loop.call_soon_threadsafe(self._write, event, context=context)

        return _OnStep(candidate, tell)

    def timeout(self, limit: float) -> float:
        """Seconds that a piece of work may take now: its own limit or what the budget leaves."""
        return max(0.001, min(limit, self._seconds_left - (time.monotonic() - self._start)))

    async def fit(self, prompt: str) -> PromptFit | None:
        """How the generator takes a prompt; None where it cannot tell."""
        return await self.effects.fit(prompt, timeout=self.timeout(self._render_timeout))

    def failure(
        self, stage: Literal["render", "critique", "compare", "rewrite"], error: RefineError
    ) -> Failure:
        """An error as data. What the budget brought about is no fault."""
        if isinstance(error, OverBudgetError):
            return Failure(stage=stage, error=OUT_OF_BUDGET, message=str(error))
        late = isinstance(error, GeneratorTimeout | CriticTimeout)
        if late and time.monotonic() - self._start >= self._seconds_left:
            return Failure(
                stage=stage, error=OUT_OF_BUDGET, message="the seconds of the budget ended"
            )
        self.context.faults.append(error)
        raw = shortened(error.raw, _RAW) if isinstance(error, CriticAnswerError) else None
        return Failure(
            stage=stage,
            error=type(error).__name__,
            message=str(error),
            raw=raw,
            final=error.final,
            trace=trace_of(error),
        )

    def spend(self, works: Iterable[EffectResult[object]] = ()) -> Spend:
        """The seconds of this node, and what was paid since it began. Work that was found done
        counts what it took then.
        """
        spent = time.monotonic() - self._start
        cached = [work.seconds for work in works if work.cached]
        ledger = self.context.ledger
        before, self._cost = self._cost, ledger.so_far
        return Spend(
            seconds=max([spent, *cached]),
            cost=self._cost - before,
            refused_usd=ledger.refused_usd,
        )


class _OnStep:
    """Tells the steps of a candidate, and previews: see `rr_refine.generators.generator.OnStep`."""

    def __init__(self, candidate: str, tell: Callable[[StepDone], None]) -> None:
        self._tell = tell
        self._last = StepDone(candidate=candidate, step=0, steps=0)

    def __call__(self, step: int, steps: int) -> None:
        self._last = StepDone(candidate=self._last.candidate, step=step, steps=steps)
        self._tell(self._last)

    def preview(self, picture: bytes) -> None:
        kind = "jpeg" if picture.startswith(b"\xff\xd8") else "png"
        data = f"data:image/{kind};base64,{b64encode(picture).decode()}"
        self._tell(self._last.model_copy(update={"preview": data}))


def exclusive(node: _Node) -> _Node:
    """A node that works for the run of its context only, and for one call of the graph at a time.

    Raises:
        ConfigError: the graph was run without its context (it is not part of a checkpoint), or
            with that of another run.
        StoreLockedError: another call of the graph is at work on the run.
    """

    @wraps(node)
    async def run(state: RefineState, runtime: Runtime[RunContext]) -> RefineState:
        _require_own(state, runtime.context, begins=run.__name__ == "plan")
        context = runtime.context
        if context.at_work:
            raise StoreLockedError(
                f"another call of the graph is at work on the run in {context.folder.path}: wait "
                "for it, or open a run_context with another run_id"
            )
        context.at_work, context.status = True, "interrupted"
        try:
            with Traced("node", run.__name__, parent=context.work, pauses=(GraphBubbleUp,)):
                change = await node(state, runtime)
                await context.folder.flushed()
                return change
        finally:
            context.at_work = False

    return run


def _require_own(state: RefineState, context: RunContext | None, *, begins: bool) -> None:
    if context is None:
        raise ConfigError(
            "the graph was run without context=RunContext, which rr_refine.run_context(job, out) "
            "gives: checkpoints do not hold the generator, the critic and the run folder; hand "
            "them in again on resume"
        )
    if missing := [name for name in ("request", "policy") if name not in state]:
        raise ConfigError(
            f"the graph has no {' and no '.join(missing)} to work by: its input is a dict of both, "
            "and what resumes needs the thread id and the checkpointer of before"
        )
    run = context.run_id if begins else state.get("run", context.run_id)
    if run != context.run_id:
        raise ConfigError(
            f"this thread is in the run {run!r}, and its context is that of {context.run_id!r}: "
            f"open run_context(make_job(..., run_id={run!r}), out)"
        )
    policy, begun = state["policy"], context.job.policy
    if state.get("extension") is not None:  # it has other limits, and is the same otherwise
        policy = policy.model_copy(update={"budget": begun.budget})
    if (state["request"], policy) != (context.job.request, begun):
        raise ConfigError(
            f"the run in {context.folder.path} is for another request or policy: open a "
            "run_context with a job of its own for each, and give the graph that job's"
        )
