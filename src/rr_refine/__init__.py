"""Better images by better prompts: generate, critique, refine, and know when to stop.

    from rr_refine import refine
    run = refine("three red circles left of a blue star")
    print(run.result_path, run.best.prompt, run.outcome.stop.reason)

What is here, each with its own help:

    refine, arefine, run_stream      run the loop: called, awaited, or as a stream of events
    go_on, vary, edit, again,        what may follow a picture: `refine(vary(run, 4))`
    use_prompt, FollowUp
    load_run, Run, Candidate,        what was recorded
    Outcome
    Policy, Budget, preset           how a run behaves, and when it ends
    Event and its kinds              what happens in it: RunStarted, RoundStarted, StepDone,
                                     Rendered, RenderFailed, Judged, CriticFailed, Compared,
                                     Decided, Rewritten, RewriteRejected, Revised, Notice,
                                     ReviewRequested, Reviewed, RunFinished
    ReviewRequest, Decision and      what a reviewer is asked, and may answer: Accept, EditPrompt,
    its kinds, read_decision         Reject, Keep, Pick, Reseed, GoOn, Quit; one from JSON
    build_graph                      the LangGraph graph, for a graph of your own, with
    make_job, run_context,           what it needs to work in a run folder: a job, the folder with
    RunContext,                      its live objects,
    checkpoint_serializer            and a serializer for checkpointers
    Generator, Critic, Rewriter      protocols for parts of your own
    StopRule, History, Stop          one for a stopping rule, what it is asked, and its answer
    Critique, parse_critique         a critic's answer, read
    RefineError and its kinds        what is raised; all of them are in rr_refine.errors

Importing this package loads neither torch nor diffusers nor langgraph: names load what they need
when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from rr_refine import errors as errors  # pyright knows no `rr_refine.errors` without it
from rr_refine.errors import (
    ConfigError,
    CriticError,
    GeneratorError,
    RefineError,
    RewriteError,
    StoreError,
)

if TYPE_CHECKING:
    from rr_refine.agent.budget import Budget
    from rr_refine.agent.events import (
        Compared,
        CriticFailed,
        Decided,
        Event,
        Judged,
        Notice,
        Rendered,
        RenderFailed,
        Reviewed,
        ReviewRequested,
        Revised,
        RewriteRejected,
        Rewritten,
        RoundStarted,
        RunFinished,
        RunStarted,
        StepDone,
    )
    from rr_refine.agent.follow_up import FollowUp, again, edit, go_on, use_prompt, vary
    from rr_refine.agent.graph import build_graph
    from rr_refine.agent.history import Candidate, History, Stop
    from rr_refine.agent.policy import Policy, preset
    from rr_refine.agent.refine import arefine, make_job, refine, run_stream
    from rr_refine.agent.review import (
        Accept,
        Decision,
        EditPrompt,
        GoOn,
        Keep,
        Pick,
        Quit,
        Reject,
        Reseed,
        ReviewRequest,
        read_decision,
    )
    from rr_refine.agent.rewriting.rewriter import Rewriter
    from rr_refine.agent.run import Run, load_run
    from rr_refine.agent.run_context import run_context
    from rr_refine.agent.state import Outcome, RunContext, checkpoint_serializer
    from rr_refine.agent.stopping import StopRule
    from rr_refine.generators.generator import Generator
    from rr_refine.reward.critic import Critic
    from rr_refine.reward.critique import Critique
    from rr_refine.reward.parser import parse_critique

__all__ = [
    "Accept",
    "Budget",
    "Candidate",
    "Compared",
    "ConfigError",
    "Critic",
    "CriticError",
    "CriticFailed",
    "Critique",
    "Decided",
    "Decision",
    "EditPrompt",
    "Event",
    "FollowUp",
    "Generator",
    "GeneratorError",
    "GoOn",
    "History",
    "Judged",
    "Keep",
    "Notice",
    "Outcome",
    "Pick",
    "Policy",
    "Quit",
    "RefineError",
    "Reject",
    "RenderFailed",
    "Rendered",
    "Reseed",
    "ReviewRequest",
    "ReviewRequested",
    "Reviewed",
    "Revised",
    "RewriteError",
    "RewriteRejected",
    "Rewriter",
    "Rewritten",
    "RoundStarted",
    "Run",
    "RunContext",
    "RunFinished",
    "RunStarted",
    "StepDone",
    "Stop",
    "StopRule",
    "StoreError",
    "again",
    "arefine",
    "build_graph",
    "checkpoint_serializer",
    "edit",
    "go_on",
    "load_run",
    "make_job",
    "parse_critique",
    "preset",
    "read_decision",
    "refine",
    "run_context",
    "run_stream",
    "use_prompt",
    "vary",
]

_HOMES = {
    "Accept": "agent.review",
    "Budget": "agent.budget",
    "Candidate": "agent.history",
    "Compared": "agent.events",
    "Critic": "reward.critic",
    "CriticFailed": "agent.events",
    "Critique": "reward.critique",
    "Decided": "agent.events",
    "Decision": "agent.review",
    "EditPrompt": "agent.review",
    "Event": "agent.events",
    "FollowUp": "agent.follow_up",
    "Generator": "generators.generator",
    "GoOn": "agent.review",
    "History": "agent.history",
    "Judged": "agent.events",
    "Keep": "agent.review",
    "Notice": "agent.events",
    "Outcome": "agent.state",
    "Pick": "agent.review",
    "Policy": "agent.policy",
    "Quit": "agent.review",
    "Reject": "agent.review",
    "RenderFailed": "agent.events",
    "Rendered": "agent.events",
    "Reseed": "agent.review",
    "ReviewRequest": "agent.review",
    "ReviewRequested": "agent.events",
    "Reviewed": "agent.events",
    "Revised": "agent.events",
    "RewriteRejected": "agent.events",
    "Rewriter": "agent.rewriting.rewriter",
    "Rewritten": "agent.events",
    "RoundStarted": "agent.events",
    "Run": "agent.run",
    "RunContext": "agent.state",
    "RunFinished": "agent.events",
    "RunStarted": "agent.events",
    "StepDone": "agent.events",
    "Stop": "agent.history",
    "StopRule": "agent.stopping",
    "again": "agent.follow_up",
    "arefine": "agent.refine",
    "build_graph": "agent.graph",
    "checkpoint_serializer": "agent.state",
    "edit": "agent.follow_up",
    "go_on": "agent.follow_up",
    "load_run": "agent.run",
    "make_job": "agent.refine",
    "parse_critique": "reward.parser",
    "preset": "agent.policy",
    "read_decision": "agent.review",
    "refine": "agent.refine",
    "run_context": "agent.run_context",
    "run_stream": "agent.refine",
    "use_prompt": "agent.follow_up",
    "vary": "agent.follow_up",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"rr_refine.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
