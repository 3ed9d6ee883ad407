"""plan: freeze what the user asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from rr_refine.agent.budget import Spend, limits_in_words
from rr_refine.agent.events import RunStarted
from rr_refine.agent.history import Proposal
from rr_refine.agent.intent import find_spans
from rr_refine.agent.nodes.context import NodeContext
from rr_refine.agent.policy import Policy
from rr_refine.agent.state import RefineState, RunContext
from rr_refine.agent.store.journal import Journal
from rr_refine.component import ask_both, examples_of, most_sources, prices_of, told_by
from rr_refine.generators.generator import Generator
from rr_refine.real_models import WAYS
from rr_refine.request import Request
from rr_refine.threads import in_thread

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

__all__ = ["PARENT", "keep_notices", "plan"]

PARENT: Final = "parent"
"""The origin of a first prompt that comes from an earlier run."""


async def plan(state: RefineState, runtime: Runtime[RunContext]) -> RefineState:
    """Find the protected spans and set the first prompt: the request as it is."""
    node = NodeContext(state, runtime)
    request, policy = state["request"], state["policy"]
    generator = node.context.job.generator
    outside = await node.outside()
    spans = find_spans(request.prompt, request.keep)
    node.emit(
        RunStarted(
            run=str(node.context.folder.path),
            run_id=node.context.run_id,
            parent=node.context.parent,
            lineage=node.context.lineage,
            prompt=request.prompt,
            task=request.task,
            preset=policy.preset,
            generator=generator.identity.name,
            critic=node.context.job.critic.identity.name,
            spans=spans,
            outside=outside,
            ways=WAYS if outside else (),
        )
    )
    if outside:
        node.tell(outside, _told(outside, request, policy, generator))
        node.tell("for pictures of anything", WAYS)
    number = len(request.sources)
    which = "the pictures to edit" if number > 1 else "the picture to edit"
    notices = await in_thread(keep_notices, node.context.folder.journal, node.context.job.notices)
    node.tell(which, notices)
    most = most_sources(node.context.job.critic)
    if most is not None and most < number:
        seen = "the first" if most == 1 else f"the first {most}"
        node.tell(
            "the critic",
            [
                f"it sees {seen} of the {number} pictures to edit: what was taken from the others "
                "is not judged, so the target cannot be reached"
            ],
        )
    for name, told in ask_both(told_by, generator, node.context.job.critic):
        node.tell(name, told)
    if node.context.job.evidence and not policy.evidence:
        node.tell("evidence", ("nothing is measured: this policy counts no evidence",))
    for rewriter in node.context.job.rewriters:
        node.tell(rewriter.identity.kind, told_by(rewriter))
    for part in (generator, node.context.job.critic, *node.context.job.rewriters):
        prices = prices_of(part, own=policy.budget.usd is not None)
        node.tell("costs", [price.words for price in prices])
    if node.context.lineage is not None and (limits := limits_in_words(policy.budget)):
        node.tell("limits", [f"this run may use {limits} at most"])
    return {
        "run": node.context.run_id,
        "request": request,
        "policy": policy,
        "spans": spans,
        "proposal": (
            Proposal(prompt=request.prompt, origin="request")
            if request.first_prompt is None
            else Proposal(prompt=request.first_prompt, origin=PARENT)
        ),
        "seed": request.seed,
        "candidates": (),
        "rewrites": (),
        "revisions": (),
        "remark": None,
        "remarks": (),
        "refused": (),
        "declined": (),
        "incumbent": None,
        "spend": Spend(),
        "user_stop": None,
        "retry_rewrite": False,
        "stop": None,
        "answered": (),
        "extension": None,
    }


def _told(outside: str, request: Request, policy: Policy, generator: Generator) -> Iterator[str]:
    """What is to be said of a request that nobody understands."""
    stays = policy.outside == "one-picture"
    know = "know" if " and " in outside else "knows"
    given = "thing as the request asks for" if request.source is None else "picture or thing"
    yield f"{know} no such {given}" + (
        ", so that one picture is made of it and no more"
        if stays
        else ": more pictures are made of it all the same, as the settings say"
    )
    examples = examples_of(generator)
    if example := examples and (examples.t2i if request.task == "t2i" else examples.edit):
        yield f"an example of what the generator understands: {example}"


def keep_notices(journal: Journal, notices: tuple[str, ...]) -> tuple[str, ...]:
    """What is to be said of the picture to edit, written down. A run that goes on has it from its
    journal: its picture is the stored one, to which nothing was done.
    """
    if (found := journal.get("notice", "source")) is not None:
        return TypeAdapter(tuple[str, ...]).validate_python(found)
    if notices:
        journal.put("notice", "source", list(notices))
    return notices
