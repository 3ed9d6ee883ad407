# pyright: strict
"""A program of somebody who uses every public name. Its types hold for mypy and pyright, both
strict (see `.ci/run`); `tests/test_user_program.py` runs it.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import assert_never

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

import rr_refine
from rr_refine import (
    Accept,
    Budget,
    Candidate,
    Compared,
    ConfigError,
    Critic,
    CriticError,
    CriticFailed,
    Critique,
    Decided,
    Decision,
    EditPrompt,
    Event,
    FollowUp,
    Generator,
    GeneratorError,
    GoOn,
    History,
    Judged,
    Keep,
    Notice,
    Outcome,
    Pick,
    Policy,
    Quit,
    RefineError,
    Reject,
    Rendered,
    RenderFailed,
    Reseed,
    Reviewed,
    ReviewRequest,
    ReviewRequested,
    Revised,
    RewriteError,
    Rewriter,
    RewriteRejected,
    Rewritten,
    RoundStarted,
    Run,
    RunContext,
    RunFinished,
    RunStarted,
    StepDone,
    Stop,
    StopRule,
    StoreError,
    again,
    arefine,
    build_graph,
    checkpoint_serializer,
    edit,
    go_on,
    load_run,
    make_job,
    parse_critique,
    preset,
    read_decision,
    refine,
    run_context,
    run_stream,
    use_prompt,
    vary,
)
from rr_refine.agent.rewriting.rewriter import Rewrite, RewriteContext, Rewrites
from rr_refine.agent.state import RefineInput
from rr_refine.generators.fake import FakeGenerator
from rr_refine.reward.fake import FakeCritic
from rr_refine.terms import Identity


class Politely:
    """A rewriter."""

    identity = Identity(kind="example", name="politely")

    async def rewrite(self, context: RewriteContext) -> Rewrites:
        asked = f"please, {context.request.prompt}"
        return Rewrites(proposals=(Rewrite(prompt=asked, why="it is polite"),))


class Three:
    """A stopping rule."""

    def check(self, history: History) -> Stop | None:
        if len(history.candidates) < 3:
            return None
        return Stop(rule="three", reason="there are three pictures")


def told(event: Event) -> str:
    """What an event says: every kind, and no other."""
    match event:
        case RunStarted():
            return f"{event.prompt} by {event.generator} and {event.critic}"
        case Notice() | Revised() | CriticFailed() | RenderFailed():
            return event.type
        case RoundStarted():
            return f"round {event.round} of {event.rounds}"
        case StepDone():
            return f"{event.step}/{event.steps}"
        case Rendered():
            return event.path
        case Judged():
            return f"{event.reward:.2f}: {event.reason}"
        case Compared():
            return event.winner
        case Decided():
            return event.verdict.reason
        case Rewritten():
            return event.proposal.prompt
        case RewriteRejected():
            return event.rejection.reason
        case ReviewRequested():
            return event.request.original
        case Reviewed():
            return answered(event.decision)
        case RunFinished():
            return event.stop.reason
    assert_never(event)


def answered(decision: Decision) -> str:
    """What a decision says: every kind, and no other."""
    match decision:
        case Accept():
            return "yes"
        case EditPrompt():
            return decision.prompt
        case Reject() | Quit():
            return decision.reason
        case Keep():
            return decision.text
        case Pick():
            return decision.candidate
        case Reseed():
            return str(decision.seed)
        case GoOn():
            return decision.remark
    assert_never(decision)


class Reviewer:
    """Answers once, then takes what there is."""

    def __init__(self) -> None:
        self.asked: list[ReviewRequest] = []

    async def __call__(self, question: ReviewRequest) -> Decision:
        self.asked.append(question)
        if len(self.asked) == 1:
            return read_decision({"action": "edit", "prompt": "a cat in a hat"})
        return Quit()


def shown(run: Run) -> list[float | None]:
    """Means of a run's pictures."""
    best: Candidate | None = run.best
    outcome: Outcome | None = run.outcome
    assert best is not None
    assert outcome is not None
    assert best.image is not None
    means = [candidate.mean for candidate in run.candidates]
    print(run.id, best.prompt, outcome.stop.rule, run.image(best).size, means)
    return means


def parts() -> tuple[Generator, Critic, Rewriter, StopRule]:
    """Of one's own, as their protocols."""
    return FakeGenerator(), FakeCritic(), Politely(), Three()


async def embedded(out: Path) -> str:
    """The graph in a run folder."""
    generator, critic, rewriter, _ = parts()
    job = make_job("a cat", generator=generator, critic=critic, rewriters=rewriter, run_id="mine")
    graph = build_graph(checkpointer=InMemorySaver(serde=checkpoint_serializer()))
    # LangGraph's own `Command` is generic without arguments there.
    thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
    context: RunContext
    async with run_context(job, out) as context:
        given = RefineInput(request=job.request, policy=job.policy)
        await graph.ainvoke(given, thread, context=context)  # pyright: ignore[reportUnknownMemberType]
    return context.run_id


async def streamed(out: Path) -> Run | None:
    """A run as a stream."""
    policy: Policy = preset("refine", review=True, budget=Budget(rounds=3))
    stream = run_stream(
        "a cat", generator="fake", critic="fake", policy=policy, reviewer=Reviewer(), out=out
    )
    async with aclosing(stream) as items:
        async for item in items:
            if isinstance(item, Run):
                return item
            print(told(item))
    return None


def why(error: RefineError) -> str:
    """What kind of error it is."""
    match error:
        case rr_refine.errors.StoreLockedError():
            return "somebody else works on it"
        case ConfigError():
            return "a mistake of yours"
        case GeneratorError() | CriticError() | RewriteError() | StoreError():
            return f"{type(error).__name__}: {error}"
        case _:
            return str(error)


def main(out: Path) -> None:
    """All of it."""
    events: list[Event] = []
    run = refine(
        "a cat", generator="fake", critic="fake", rounds=2, out=out, on_event=events.append
    )
    assert shown(load_run(run.path)) == shown(run)
    follow_ups: list[FollowUp] = [vary(run, 2), edit(run, "make it blue"), again(run)]
    follow_ups += [use_prompt(run), go_on(run, "with a hat", rounds=1)]
    for follow_up in follow_ups:
        shown(asyncio.run(arefine(follow_up, generator="fake", critic="fake")))
    assert asyncio.run(embedded(out)) == "mine"
    assert asyncio.run(streamed(out)) is not None
    print([told(event) for event in events])
    try:
        critique: Critique = parse_critique("no critique", "t2i")
        print(critique.scores)
    except CriticError as error:
        print(why(error))


if __name__ == "__main__":
    main(Path("runs"))
