"""The loop as a graph for LangGraph's own server and Studio (`langgraph.json`).

A server hands over JSON only, so this outer graph takes a prompt and the names of components. The
run has a thread and an event loop of its own: the server's stays free. Its events come through
the stream mode `custom`, and the same input goes on with an unfinished run.

A client may name files only below one folder, which the server's owner names in the environment
variable `RR_REFINE_SERVER_ROOT`; links in it are not followed. It may name the parts that the owner
lists in `RR_REFINE_SERVER_PARTS`, with commas between, by name or dotted path.
"""

from __future__ import annotations

import asyncio
import os
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Final, Required, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from rr_refine.agent.events import Event
from rr_refine.agent.options import JobOptions
from rr_refine.agent.policy import PRESETS
from rr_refine.agent.refine import refine
from rr_refine.errors import ConfigError
from rr_refine.files import MAX_PICTURE, make_inside, read_file, require_inside
from rr_refine.named import folder_here, require_path
from rr_refine.pictures import decode_picture

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["PARTS", "ROOT", "ServerInput", "ServerOutput", "ServerState", "graph"]


_IMAGES: Final = 16
"""Most pictures that a client may name in a request."""
ROOT: Final = "RR_REFINE_SERVER_ROOT"
PARTS: Final = "RR_REFINE_SERVER_PARTS"


class ServerInput(TypedDict, total=False):
    """What a client of the server sends."""

    prompt: Required[str]
    image: str | list[str] | None
    """Path of a picture to edit, below the server's root; or of several, see `JobOptions`."""
    preset: str
    seed: int
    generator: str
    critic: str
    out: str
    """Folder that holds the run folders, below the server's root; `runs` there by default."""


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

    policy, seed = state.get("preset", "refine"), state.get("seed", 0)
    if str(policy) not in PRESETS:  # JSON may hold anything
        raise ConfigError(f"preset = {policy!r} is none of {', '.join(PRESETS)}")
    image = state.get("image")
    options: JobOptions = {"policy": policy, "seed": seed}
    if image is not None:
        names = image if isinstance(image, list) else [image]
        if len(names) > _IMAGES:
            raise ConfigError(f"image names {len(names):,} pictures; {_IMAGES} are the most")
        options["image"] = [await asyncio.to_thread(_image, name) for name in names]
    if "generator" in state:
        options["generator"] = _part("generator", state["generator"])
    if "critic" in state:
        options["critic"] = _part("critic", state["critic"])
    run = await asyncio.to_thread(
        refine,
        state["prompt"],
        out=await asyncio.to_thread(_out, state.get("out")),
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


def _root() -> Path | None:
    """The folder below which a client may name files; the owner's to name."""
    named = os.environ.get(ROOT)
    return Path(named) if named else None


def _below(field: str, name: object) -> tuple[Path, Path]:
    """The server's root, and what a client names below it."""
    root = _root()
    if root is None:
        raise ConfigError(f"{field} cannot be given: this server's owner named no {ROOT}")
    try:
        if not isinstance(name, str):
            raise ValueError(f"{name!r} is no text")
        if Path(name).is_absolute():
            name = str(Path(name).relative_to(root))
        return root, require_path(root / require_inside(name))
    except (ValueError, ConfigError):
        raise ConfigError(f"{field} = {name!r} is no path below this server's root") from None


def _image(name: object) -> Image.Image:
    root, path = _below("image", name)
    try:
        return decode_picture(read_file(path, within=root, limit=MAX_PICTURE))
    except (OSError, ValueError) as error:
        raise ConfigError(f"image = {name!r} cannot be read: {error}") from error


def _out(name: object) -> Path:
    root = _root()
    if name is None and root is None:
        return folder_here("runs")
    root, path = _below("out", "runs" if name is None else name)
    try:
        new = [each for each in (path, *path.parents) if root in each.parents and not each.exists()]
        make_inside(path, within=root)
        for folder in new:
            folder.chmod(0o700)  # as those of the command line: their names hold prompts
    except OSError as error:
        raise ConfigError(f"out = {name!r} cannot be used: {error}") from error
    return path


def _part(field: str, name: object) -> str:
    """A generator or critic that the owner lets clients name: some download models, or cost."""
    allowed = [each for each in map(str.strip, os.environ.get(PARTS, "").split(",")) if each]
    if name not in allowed:
        raise ConfigError(
            f"{field} = {name!r} cannot be given: this server's owner lets clients name "
            f"{', '.join(allowed) or 'none'} ({PARTS})"
        )
    return str(name)
