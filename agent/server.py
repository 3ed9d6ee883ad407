"""The loop as a graph for LangGraph's own server and Studio (`langgraph.json`).

A server hands over JSON only, so this outer graph takes a prompt and the names of components. The
run has a thread and an event loop of its own: the server's stays free. Its events come through
the stream mode `custom`, and the same input goes on with an unfinished run.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import Required, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from rr_refine.agent.events import Event
from rr_refine.agent.refine import JobOptions, refine
from rr_refine.errors import ConfigError
from rr_refine.plugins import Group, available

__all__ = ["ServerInput", "ServerOutput", "ServerState", "graph"]


class ServerInput(TypedDict, total=False):
    """What a client of the server sends."""

    prompt: Required[str]
    image: str | None
    """Path of a picture to edit, on the server."""
    preset: str
    seed: int
    generator: str
    critic: str
    out: str
    """Folder that holds the run folders, on the server."""


class ServerOutput(TypedDict, total=False):
    """What it gets back."""

    run: str
    """Path of the run folder."""
    result: str | None
    """Path of the result picture."""
    best_prompt: str | None
    stop: str | None


class ServerState(ServerInput, ServerOutput):
    """Both."""


def graph() -> CompiledStateGraph[ServerState, None, ServerInput, ServerOutput]:
    """The graph that `langgraph.json` names."""
    outer: StateGraph[ServerState, None, ServerInput, ServerOutput] = StateGraph(
        ServerState, input_schema=ServerInput, output_schema=ServerOutput
    )
    outer.add_node("refine", _refine)
    outer.add_edge(START, "refine")
    outer.add_edge("refine", END)
    return outer.compile(name="rr-refine")


async def _refine(state: ServerState, runtime: Runtime[None]) -> ServerOutput:
    loop, context = asyncio.get_running_loop(), copy_context()

    def tell(event: Event) -> None:
        told = event.model_dump(mode="json")
        loop.call_soon_threadsafe(runtime.stream_writer, told, context=context)

    options: JobOptions = {
        "image": state.get("image"),
        "policy": state.get("preset", "refine"),
        "seed": state.get("seed", 0),
    }
    if "generator" in state:
        options["generator"] = _installed("generators", state["generator"])
    if "critic" in state:
        options["critic"] = _installed("critics", state["critic"])
    run = await asyncio.to_thread(
        refine,
        state["prompt"],
        out=state.get("out", "runs"),
        on_event=tell,
        **options,
    )
    stop = run.outcome.stop if run.outcome else None
    return {
        "run": str(run.path),
        "result": None if run.result_path is None else str(run.result_path),
        "best_prompt": None if run.best is None else run.best.prompt,
        "stop": None if stop is None else f"{stop.rule}: {stop.reason}",
    }


def _installed(group: Group, name: str) -> str:
    """The name of an installed component: a client of a server must not import what it likes."""
    if name not in available(group):
        raise ConfigError(f"{name!r} is none of the {group}: {', '.join(available(group))}")
    return name
