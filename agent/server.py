"""The loop as a graph for LangGraph's own server and Studio (`langgraph.json`).

A server can hand over JSON only, so this outer graph takes a prompt and names, makes the live
objects, and runs the real graph inside: its nodes, events and interrupts show through.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from langgraph.graph import END, START, StateGraph

from rr_refine.agent.graph import build_graph
from rr_refine.agent.refine import DEFAULT_CRITIC, DEFAULT_GENERATOR, folder_for, make_job
from rr_refine.agent.state import RunContext
from rr_refine.component import connected

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

__all__ = ["ServerInput", "ServerOutput", "graph"]


class ServerInput(TypedDict, total=False):
    """What a client of the server sends."""

    prompt: str
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
    stop: str


class _State(ServerInput, ServerOutput):
    pass


def graph() -> CompiledStateGraph[_State, None, ServerInput, ServerOutput]:
    """The graph that `langgraph.json` names."""
    outer: StateGraph[_State, None, ServerInput, ServerOutput] = StateGraph(
        _State, input_schema=ServerInput, output_schema=ServerOutput
    )
    outer.add_node("refine", _refine)
    outer.add_edge(START, "refine")
    outer.add_edge("refine", END)
    return outer.compile(name="rr-refine")


async def _refine(state: _State) -> ServerOutput:
    job = make_job(
        state["prompt"],
        image=state.get("image"),
        policy=state.get("preset", "refine"),
        seed=state.get("seed", 0),
        generator=state.get("generator", DEFAULT_GENERATOR),
        critic=state.get("critic", DEFAULT_CRITIC),
    )
    async with connected(job.components):
        with folder_for(job, Path(state.get("out", "runs"))) as folder:
            if job.source is not None:
                folder.put_image(job.source)
            final = await build_graph().ainvoke(
                {"request": job.request, "policy": job.policy},
                context=RunContext(
                    generator=job.generator,
                    critic=job.critic,
                    rewriters=job.rewriters,
                    folder=folder,
                ),
            )
    outcome = final["outcome"]
    best = outcome.best
    return {
        "run": str(folder.path),
        "result": None if best is None else str(folder.path / "result.png"),
        "best_prompt": None if best is None else best.prompt,
        "stop": f"{outcome.stop.rule}: {outcome.stop.reason}",
    }
