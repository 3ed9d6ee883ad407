"""A session: one job at work in its run folder, streamed event by event.

It writes the folder's config and manifest, runs the graph, answers its interrupts, and leaves a
status and a report behind whatever happens. Our own graph's state is in memory: the folder's
journal holds all that a later session needs to come to the same state again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, cast

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphBubbleUp, GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import Command

from rr_refine.agent.ending import rounds_of
from rr_refine.agent.event_dedup import EventDedup
from rr_refine.agent.events import Event
from rr_refine.agent.graph import RefineGraph, build_graph, recursion_limit
from rr_refine.agent.job import Job
from rr_refine.agent.manifest import check_config, lineage_of, run_id_of, write_manifest
from rr_refine.agent.nodes.plan import keep_notices
from rr_refine.agent.review import Decision, ReviewRequest, require_possible
from rr_refine.agent.state import RefineInput, RunContext, checkpoint_serializer
from rr_refine.agent.store.folder import RunFolder
from rr_refine.component import record_of

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

__all__ = ["Reviewer", "at_work", "follow", "run_job", "store_job"]

Reviewer = Callable[[ReviewRequest], Awaitable["Decision"]]
"""Answers a question of the review node."""
_THREAD = "run"


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
    if job.sources:
        await asyncio.to_thread(store_job, folder, job)
    else:
        store_job(folder, job)
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
    context.pictures.update(zip(job.request.sources, job.sources, strict=False))
    try:
        yield context
    except GraphBubbleUp:  # a pause of the graph
        raise
    except Exception:
        if context.status == "interrupted":
            context.status = "failed"
        raise
    finally:
        write_manifest(folder, job, context.status)
        if report:
            from rr_refine.agent.report.report import try_report

            await asyncio.to_thread(try_report, folder)  # other runs may go on meanwhile


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
    context: RunContext, *, reviewer: Reviewer | None = None, control: RunControl | None = None
) -> AsyncGenerator[Event]:
    """Run the graph in a session, and have its questions answered; see `run_job`."""
    job = context.job
    graph = _graph().copy({"checkpointer": InMemorySaver(serde=checkpoint_serializer())})
    settings = _config(recursion_limit(rounds_of(job.policy, context.folder.journal)))
    given: RefineInput | Command[object] = {"request": job.request, "policy": job.policy}
    while True:
        stream = graph.astream(
            given,
            settings,
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
        question = context.question
        if question is None or reviewer is None:
            return
        context.status = "interrupted"
        context.pictures.clear()  # nobody knows how long the answer takes
        decision = await reviewer(question)
        require_possible(question, decision)
        given = Command(resume=decision.model_dump(mode="json"))


@cache
def _graph() -> RefineGraph:
    """Compiling takes longer than a whole run on fakes; the checkpointer is put in per run."""
    return build_graph()


def _config(steps: int) -> RunnableConfig:
    return {"configurable": {"thread_id": _THREAD}, "recursion_limit": steps}
