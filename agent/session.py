"""A session: one job at work in its run folder, streamed event by event.

It writes the folder's config and manifest, runs the graph, answers its interrupts, and leaves a
status and a report behind whatever happens. Our own graph's state is in memory: the folder's
journal holds all that a later session needs to come to the same state again.
"""

from __future__ import annotations

from asyncio import CancelledError, current_task
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from functools import cache
from inspect import isawaitable
from typing import TYPE_CHECKING, cast

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphBubbleUp, GraphDrained, GraphInterrupt
from langgraph.runtime import RunControl
from langgraph.types import Command

from rr_refine.agent.ending import rounds_of
from rr_refine.agent.event_dedup import EventDedup
from rr_refine.agent.events import Event
from rr_refine.agent.graph import RefineGraph, build_graph, recursion_limit
from rr_refine.agent.job import Job
from rr_refine.agent.manifest import (
    RunStatus,
    check_config,
    lineage_of,
    run_id_of,
    write_manifest,
)
from rr_refine.agent.nodes.plan import keep_notices
from rr_refine.agent.review import Decision, ReviewRequest, read_decision, require_possible
from rr_refine.agent.state import RefineInput, RunContext, checkpoint_serializer
from rr_refine.agent.store.folder import RunFolder
from rr_refine.component import record_of
from rr_refine.errors import ConfigError, StoreError
from rr_refine.telemetry import Traced
from rr_refine.threads import in_thread

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

__all__ = [
    "Reviewer",
    "at_work",
    "caller_of",
    "follow",
    "has_checkpointer",
    "run_job",
    "store_job",
    "without_interrupts",
]

Reviewer = Callable[[ReviewRequest], Awaitable["Decision"]]
"""Answers a question of the review node."""


async def run_job(
    folder: RunFolder,
    job: Job,
    *,
    reviewer: Reviewer | None = None,
    control: RunControl | None = None,
    report: bool = True,
) -> AsyncGenerator[Event]:
    """Run a job in its folder, or go on where an earlier session left it.

    What an earlier session finished is looked up in the journal, and its events are not repeated.

    The job's components must be connected, see `rr_refine.component`, and `require_feasible` must
    have been asked.

    Args:
        reviewer: decides on proposals where the policy asks for review. Without it the stream
            ends with `ReviewRequested`, and the run goes on from there the next time.
        control: `request_drain()` ends the session after the step in progress.
        report: write the run's report at the end, as far as it went.

    Raises:
        RefineError: of the kind that fits; the folder holds everything that was finished.
    """
    async with (
        at_work(folder, job, report=report) as context,
        aclosing(follow(context, reviewer=reviewer, control=control)) as events,
    ):
        async for event in events:
            yield event


@asynccontextmanager
async def at_work(folder: RunFolder, job: Job, *, report: bool = True) -> AsyncIterator[RunContext]:
    """A session of a run: it is running inside, and at the end it is what it came to.

    Raises:
        ConfigError: the folder belongs to another job.
        StoreError: it cannot be read or written.
    """
    context = await in_thread(_begin, folder, job)
    context.work = Traced("run", job.generator.identity.name, run=context.run_id)
    failed: Exception | None = None
    try:
        yield context
    except GraphBubbleUp:  # a pause of the graph
        raise
    except Exception as error:
        failed = error
        if context.status == "interrupted":
            context.status = "failed"
        raise
    finally:
        try:
            await in_thread(_end, context, report)
        finally:
            context.work.tell(status=context.status)
            context.work.end(failed)


def _begin(folder: RunFolder, job: Job) -> RunContext:
    store_job(folder, job)
    earlier = folder.read_json("manifest.json")
    before = earlier.get("status") if isinstance(earlier, dict) else None
    write_manifest(folder, job, "running")
    config = folder.read_json("config.json")
    assert isinstance(config, dict)
    parent = config.get("parent")
    context = RunContext(
        job=job,
        folder=folder,
        run_id=run_id_of(config, folder.path),
        parent=None if parent is None else str(parent),
        lineage=lineage_of(config),
        dedup=EventDedup(folder.path / "events.jsonl"),
    )
    if before in ("done", "failed", "waiting"):  # until a node works on it
        context.status = cast("RunStatus", before)
    context.pictures.update(zip(job.request.sources, job.sources, strict=False))
    return context


def _end(context: RunContext, report: bool) -> None:
    try:
        context.folder.flush()
    except StoreError:
        context.status = "failed"
        raise
    finally:
        write_manifest(context.folder, context.job, context.status)
        if report:
            from rr_refine.agent.report.report import try_report

            try_report(context.folder)


def store_job(folder: RunFolder, job: Job) -> None:
    """Write down all that a later session needs to do the job: its config, its pictures to edit,
    and what was done to them. What is there is left.

    Raises:
        ConfigError: the folder belongs to another job.
        StoreError: the folder cannot be read or written.
    """
    check_config(folder, job)
    if (record := record_of(job.generator)) is not None:
        folder.write_json("generator.json", record)
    for source in job.sources:
        folder.put_image(source)
    keep_notices(folder.journal, job.notices)


async def follow(
    context: RunContext,
    *,
    reviewer: Reviewer | None = None,
    control: RunControl | None = None,
    config: RunnableConfig | None = None,
) -> AsyncGenerator[Event]:
    """Run the graph in a session, and have its questions answered; see `run_job`.

    Args:
        config: of the node of a surrounding graph that this is called in. Where that graph has a
            checkpointer and there is no reviewer, ours is a subgraph: its state is kept there, and
            its questions are interrupts of the surrounding graph.

    Raises:
        GraphInterrupt: such a question; it is for LangGraph.
    """
    job, graph = context.job, _graph()
    inside = reviewer is None and has_checkpointer(config)
    if not inside:
        graph = graph.copy({"checkpointer": InMemorySaver(serde=checkpoint_serializer())})
    config = _config(context, config or {}, inside=inside)
    given: RefineInput | Command[object] = {"request": job.request, "policy": job.policy}
    while True:
        cancelled = _cancellations()
        stream = graph.astream(
            given,
            config,
            context=context,
            stream_mode="custom",
            durability="exit",  # the state is copied when the graph pauses or ends, and not before
            control=control,
        )
        try:
            async for event in stream:
                yield cast("Event", event)
        except GraphDrained:
            return
        finally:
            if reviewer is not None and context.status == "waiting":
                context.status = "interrupted"  # it waits in this session only
        if _cancellations() > cancelled:  # LangGraph loses one that comes while it cleans up
            raise CancelledError
        question = context.question
        if question is None or reviewer is None:
            return
        context.pictures.clear()  # nobody knows how long the answer takes
        with without_interrupts("reviewer="):
            decision = await _decision(reviewer(question))
        require_possible(question, decision)
        given = Command(resume=decision.model_dump(mode="json"))
        config.pop("run_id", None)  # a tracer's, which wants another for another call


def _cancellations() -> int:
    """How often it was asked for the end of the task that this is."""
    task = current_task()
    return 0 if task is None else task.cancelling()


async def _decision(answer: object) -> Decision:
    """What a reviewer decided, who may give it as JSON-like data, as one answers an interrupt.

    Raises:
        ConfigError: it is no decision.
    """
    if not isawaitable(answer):
        raise ConfigError(f"reviewer= must be an async function; it gave {answer!r:.80} at once")
    said = await answer
    try:
        return read_decision(said)
    except ConfigError as error:
        raise ConfigError(f"reviewer= gave {said!r:.80}, which is no decision: {error}") from None


@cache
def _graph() -> RefineGraph:
    """Compiling takes longer than a whole run on fakes; the checkpointer is put in per run."""
    return build_graph()


def has_checkpointer(config: RunnableConfig | None) -> bool:
    """Whether a node's config comes from a graph with a checkpointer, which subgraphs share."""
    values = (config or {}).get("configurable", {}).values()
    return any(isinstance(value, BaseCheckpointSaver) for value in values)


def caller_of(config: RunnableConfig | None) -> str | None:
    """A name for the task of a surrounding graph with a checkpointer, the same when it resumes."""
    if config is None or not has_checkpointer(config):
        return None
    asking = config.get("configurable", {})
    return f"{asking.get('thread_id')}/{asking.get('checkpoint_ns')}"


@contextmanager
def without_interrupts(where: str) -> Iterator[None]:
    """Refuse LangGraph's `interrupt()` in what a caller gave us.

    LangGraph runs the caller's node again and tells answers apart by their order. What was answered
    is not asked again, so the first answer would be taken for one to the second question.

    Raises:
        ConfigError: it was called.
    """
    try:
        yield
    except GraphInterrupt:
        raise ConfigError(
            f"interrupt() in {where} would get the answers to earlier questions: leave reviewer "
            "out and give config=, your node's RunnableConfig. Where your graph has a "
            "checkpointer, each question is then an interrupt of it, which "
            "Command(resume={'action': 'accept'}) answers"
        ) from None


def _config(context: RunContext, given: RunnableConfig, *, inside: bool) -> RunnableConfig:
    """Callbacks, tags, metadata and thread of a caller; inside of its graph, all that it is by."""
    configurable = {
        key: value
        for key, value in given.get("configurable", {}).items()
        if inside or not key.startswith(("__", "checkpoint"))
    }
    return {
        **given,
        "configurable": {"thread_id": context.run_id, **configurable},
        "recursion_limit": recursion_limit(rounds_of(context.job.policy, context.folder.journal)),
    }
