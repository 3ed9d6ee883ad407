"""Better images by better prompts: generate, critique, refine, and know when to stop.

    from rr_refine import refine
    run = refine("three red circles left of a blue star")
    print(run.result_path, run.best.prompt, run.outcome.stop.reason)

What is here, each with its own help:

    refine, arefine, run_stream      run the loop: called, awaited, or as a stream of events
    go_on, vary, edit, again,        what may follow a picture: `refine(vary(run, 4))`
    use_prompt
    load_run, Run, Candidate         what was recorded
    Policy, Budget, preset           how a run behaves, and when it ends
    Event, Decision                  what happens in it, and what a reviewer may answer
    build_graph                      the LangGraph graph, for a graph of your own, with
    make_job, run_context,           what it needs to work in a run folder: a job, the folder with
    RunContext,                      its live objects,
    checkpoint_serializer            and a serializer for checkpointers
    Generator, Critic, Rewriter      protocols for parts of your own
    Critique, parse_critique         a critic's answer, read
    RefineError and its kinds        what is raised; all of them are in rr_refine.errors

Importing this package loads neither torch nor diffusers nor langgraph: names load what they need
when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

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
    from rr_refine.agent.events import Event
    from rr_refine.agent.follow_up import FollowUp, again, edit, go_on, use_prompt, vary
    from rr_refine.agent.graph import build_graph
    from rr_refine.agent.history import Candidate
    from rr_refine.agent.policy import Policy, preset
    from rr_refine.agent.refine import arefine, make_job, refine, run_stream
    from rr_refine.agent.review import Decision
    from rr_refine.agent.rewriting.rewriter import Rewriter
    from rr_refine.agent.run import Run, load_run
    from rr_refine.agent.run_context import run_context
    from rr_refine.agent.state import RunContext, checkpoint_serializer
    from rr_refine.generators.generator import Generator
    from rr_refine.reward.critic import Critic
    from rr_refine.reward.critique import Critique
    from rr_refine.reward.parser import parse_critique

__all__ = [
    "Budget",
    "Candidate",
    "ConfigError",
    "Critic",
    "CriticError",
    "Critique",
    "Decision",
    "Event",
    "FollowUp",
    "Generator",
    "GeneratorError",
    "Policy",
    "RefineError",
    "RewriteError",
    "Rewriter",
    "Run",
    "RunContext",
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
    "refine",
    "run_context",
    "run_stream",
    "use_prompt",
    "vary",
]

_HOMES = {
    "Budget": "agent.budget",
    "Candidate": "agent.history",
    "Critic": "reward.critic",
    "Critique": "reward.critique",
    "Decision": "agent.review",
    "Event": "agent.events",
    "FollowUp": "agent.follow_up",
    "Generator": "generators.generator",
    "Policy": "agent.policy",
    "Rewriter": "agent.rewriting.rewriter",
    "Run": "agent.run",
    "RunContext": "agent.state",
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
