"""A session: one job at work in its run folder, streamed event by event.

It writes the folder's config and manifest, runs the graph, answers its interrupts, and leaves a
status and a report behind whatever happens. The graph's state is in memory: the folder's journal
holds all that a later session needs to come to the same state again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, cast

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import Command
from pydantic import JsonValue

from rr_refine.agent.event_dedup import EventDedup
from rr_refine.agent.events import Event, ReviewRequested
from rr_refine.agent.graph import RefineGraph, build_graph, recursion_limit
from rr_refine.agent.intent import IntentCheck
from rr_refine.agent.manifest import RunStatus, check_config, run_id_of, write_manifest
from rr_refine.agent.nodes.plan import keep_notices
from rr_refine.agent.policy import Policy
from rr_refine.agent.review import Decision, ReviewRequest, require_possible
from rr_refine.agent.rewriting.rewriter import Rewriter
from rr_refine.agent.state import RefineInput, RunContext, checkpoint_serializer
from rr_refine.agent.store.folder import RunFolder
from rr_refine.component import record_of
from rr_refine.errors import RefineError
from rr_refine.generators.generator import Generator
from rr_refine.request import Request
from rr_refine.reward.critic import Critic
from rr_refine.reward.evidence.evidence import Evidence

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from PIL import Image

__all__ = ["Job", "Reviewer", "run_job", "store_job"]

Reviewer = Callable[[ReviewRequest], Awaitable["Decision"]]
"""Answers a question of the review node."""
_THREAD = "run"


@dataclass(frozen=True, slots=True)
class Job:
    """All that a run needs besides its folder."""

    request: Request
    policy: Policy
    generator: Generator
    critic: Critic
    rewriters: tuple[Rewriter, ...]
    intent_check: IntentCheck | None = None
    """Has a say on every proposal; None for none."""
    evidence: tuple[Evidence, ...] = ()
    """What measures its pictures."""
    sources: tuple[Image.Image, ...] = ()
    """The pictures to edit; their digests are `request.sources`."""
    notices: tuple[str, ...] = ()
    """What was done to the pictures to edit on the way in; see `rr_refine.notices`."""
    settings: dict[str, JsonValue] = field(default_factory=dict)
    """How the components were configured, for config.json; never a key or a password."""
    run_id: str | None = None
    """What the caller calls the run; else it is called after its folder."""
    parent: str | None = None
    """Id of the run that this one comes from."""

    @property
    def components(self) -> tuple[object, ...]:
        """What has to be connected before the job can run, see `rr_refine.component`."""
        return (
            *(self.generator, self.critic, *self.rewriters, self.intent_check),
            *self.evidence,
        )


async def run_job(
    folder: RunFolder,
    job: Job,
    *,
    reviewer: Reviewer | None = None,
    control: RunControl | None = None,
    report: bool = True,
    faults: list[RefineError] | None = None,
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
        faults: gets what renders and judgements fail with; in the record they are words.

    Raises:
        RefineError: of the kind that fits; the folder holds everything that was finished.
    """
    if job.sources:
        await asyncio.to_thread(store_job, folder, job)
    else:
        store_job(folder, job)
    write_manifest(folder, job, "running")
    status: RunStatus = "interrupted"
    try:
        saver = InMemorySaver(serde=checkpoint_serializer())
        graph = _graph().copy({"checkpointer": saver})
        async for event in _drive(graph, folder, job, reviewer, control, faults):
            yield event
        status = await _status(graph, job)
    except GraphDrained:
        status = "interrupted"
    except Exception:
        status = "failed"
        raise
    finally:
        write_manifest(folder, job, status)
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


async def _drive(
    graph: RefineGraph,
    folder: RunFolder,
    job: Job,
    reviewer: Reviewer | None,
    control: RunControl | None,
    faults: list[RefineError] | None,
) -> AsyncIterator[Event]:
    config = folder.read_json("config.json")
    assert isinstance(config, dict)
    parent = config.get("parent")
    context = RunContext(
        generator=job.generator,
        critic=job.critic,
        rewriters=job.rewriters,
        folder=folder,
        intent_check=job.intent_check,
        evidence=job.evidence,
        run_id=run_id_of(config, folder.path),
        parent=None if parent is None else str(parent),
        notices=job.notices,
        feasible=True,
        dedup=EventDedup(folder.path / "events.jsonl"),
        faults=[] if faults is None else faults,
    )
    context.pictures.update(zip(job.request.sources, job.sources, strict=False))
    given: RefineInput | Command[object] = {"request": job.request, "policy": job.policy}
    while True:
        stream = graph.astream(
            given,
            _config(job),
            context=context,
            stream_mode="custom",
            durability="exit",  # the state is copied when the graph pauses or ends, and not before
            control=control,
        )
        async for event in stream:
            yield cast("Event", event)
        question = await _question(graph, job)
        if question is None:
            return
        asked = ReviewRequested(request=question)
        folder.record_event(asked)
        yield asked
        if reviewer is None:
            return
        context.pictures.clear()  # nobody knows how long the answer takes
        decision = await reviewer(question)
        require_possible(question, decision)
        given = Command(resume=decision.model_dump(mode="json"))


async def _question(graph: RefineGraph, job: Job) -> ReviewRequest | None:
    interrupts = (await graph.aget_state(_config(job))).interrupts
    return ReviewRequest.model_validate(interrupts[0].value) if interrupts else None


async def _status(graph: RefineGraph, job: Job) -> RunStatus:
    state = await graph.aget_state(_config(job))
    if state.interrupts:
        return "waiting"
    # What failed may work the next time: the run is not over.
    return "done" if state.values["outcome"].ok else "failed"


@cache
def _graph() -> RefineGraph:
    """Compiling takes longer than a whole run on fakes; the checkpointer is put in per run."""
    return build_graph()


def _config(job: Job) -> RunnableConfig:
    return {
        "configurable": {"thread_id": _THREAD},
        "recursion_limit": recursion_limit(job.policy.budget.rounds),
    }
