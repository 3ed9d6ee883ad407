"""The loop as a graph for LangGraph's own server and Studio (`langgraph.json`).

A server hands over JSON only, so this outer graph takes a prompt, names of pictures and components,
and a policy as a table. The loop's graph is inside: cancelling the one stops the other, events come
through the stream mode `custom`, and with `{"review": true}` in the policy each question is an
interrupt, which `{"action": "accept"}` and the like resume.

A client may name files only below one folder, which the server's owner names in the environment
variable `RR_REFINE_SERVER_ROOT`; links in it are not followed. It may name the parts that the owner
lists in `RR_REFINE_SERVER_PARTS`, with commas between, by name or dotted path.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Final, Required

from langgraph.config import get_config
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from pydantic import JsonValue
from typing_extensions import TypedDict

from rr_refine.agent.graph import AsyncGraph, async_only
from rr_refine.agent.options import JobOptions, policy_of
from rr_refine.agent.policy import PRESETS, Policy, preset
from rr_refine.agent.refine import run_stream
from rr_refine.agent.run import Run
from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError
from rr_refine.files import MAX_PICTURE, make_inside, read_file
from rr_refine.named import below, folder_here, require_path
from rr_refine.pictures import SOURCE_PIXELS, decode_picture

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["PARTS", "ROOT", "ServerInput", "ServerOutput", "ServerState", "graph"]


_IMAGES: Final = 16
"""Most pictures that a client may name in a request."""
_RENDERS: Final = 16
"""Most pictures that a client's policy may ask for, and of a run however often it goes on."""
_TIMEOUTS: Final = ("render_timeout", "critique_timeout")
ROOT: Final = "RR_REFINE_SERVER_ROOT"
PARTS: Final = "RR_REFINE_SERVER_PARTS"


class ServerInput(TypedDict, total=False):
    """What a client of the server sends."""

    prompt: Required[str]
    image: str | list[str] | None
    """Path of a picture to edit, below the server's root; or of several, see `JobOptions`."""
    policy: str | dict[str, JsonValue]
    """A preset's name, or a table of changes to one: `{"preset": "refine", "target": 3.5}`. It may
    name the presets' own parts and those that the owner lists, lower the preset's limits, and ask
    for no more than 16 pictures."""
    preset: str
    """A preset's name alone."""
    seed: int
    generator: str
    critic: str
    run_id: str
    """What the run and its folder are called; see `JobOptions`."""
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


def graph() -> AsyncGraph[ServerState, None, ServerInput, ServerOutput]:
    """The graph that `langgraph.json` names."""
    outer: StateGraph[ServerState, None, ServerInput, ServerOutput] = StateGraph(
        ServerState, input_schema=ServerInput, output_schema=ServerOutput
    )
    outer.add_node("refine", _refine)
    outer.add_edge(START, "refine")
    outer.add_edge("refine", END)
    return async_only(outer.compile(name="rr-refine"))


async def _refine(state: ServerState, runtime: Runtime[None]) -> ServerOutput:
    if "prompt" not in state:
        raise ConfigError("the input has no prompt")
    image = state.get("image")
    options: JobOptions = {"policy": _policy(state), "seed": state.get("seed", 0)}
    if image is not None:
        names = image if isinstance(image, list) else [image]
        if len(names) > _IMAGES:
            raise ConfigError(f"image names {len(names):,} pictures; {_IMAGES} are the most")
        options["image"] = [await asyncio.to_thread(_image, name) for name in names]
    if "generator" in state:
        options["generator"] = _part("generator", state["generator"])
    if "critic" in state:
        options["critic"] = _part("critic", state["critic"])
    if "run_id" in state:
        options["run_id"] = state["run_id"]
    out = await asyncio.to_thread(_out, state.get("out"))
    stream = run_stream(
        state["prompt"], out=out, config=get_config(), most_images=_RENDERS, **options
    )
    async with aclosing(stream) as items:
        async for item in items:
            if isinstance(item, Run):
                return _output(item)
            runtime.stream_writer(item.model_dump(mode="json"))
    raise AssertionError("the stream ends with the run")


def _output(run: Run) -> ServerOutput:
    stop = run.outcome.stop if run.outcome else None
    return {
        "run": str(run.path),
        "result": None if run.result_path is None else str(run.result_path),
        "best_prompt": None if run.best is None else run.best.prompt,
        "stop": None if stop is None else f"{stop.rule}: {stop.reason}",
    }


def _policy(state: ServerState) -> Policy:
    """What a client asks for, within what the preset allows."""
    if "policy" in state and "preset" in state:
        raise ConfigError("preset has a place in policy: {'preset': …}; give one of them")
    given: object = state.get("policy", {})
    if "preset" in state or not isinstance(given, Mapping):
        given = {"preset": state.get("preset", given)}
    table = dict(given)
    name = table.get("preset", "refine")
    if str(name) not in PRESETS:  # JSON may hold anything
        raise ConfigError(f"preset = {name!r} is none of {', '.join(PRESETS)}")
    policy, most = policy_of({"policy": table}), preset(str(name))
    ours = {part for each in map(preset, PRESETS) for part in (*each.rewriters, each.acceptance)}
    for key, named in (
        ("rewriters", policy.rewriters),
        ("stop_rules", policy.stop_rules),
        ("acceptance", (policy.acceptance,)),
    ):
        for part in sorted({*named} - ours):
            _part(f"policy.{key}", part)
    limits = {
        **{f"budget.{key}": (getattr(policy.budget, key), value) for key, value in most.budget},
        **{key: (getattr(policy, key), getattr(most, key)) for key in _TIMEOUTS},
        "budget.rounds * candidates": (policy.budget.rounds * policy.candidates, _RENDERS),
    }
    for key, (asked, limit) in limits.items():
        if limit is not None and (asked is None or asked > limit):
            raise ConfigError(f"policy: {key} = {asked!r}; {limit} is the most")
    return policy


def _root() -> Path | None:
    """The folder below which a client may name files; the owner's to name."""
    named = os.environ.get(ROOT)
    return require_path(named) if named else None


def _below(field: str, name: object) -> tuple[Path, Path]:
    """The server's root, and what a client names below it."""
    root = _root()
    if root is None:
        raise ConfigError(f"{field} cannot be given: this server's owner named no {ROOT}")
    return root, below(root, field, name)


def _image(name: object) -> Image.Image:
    root, path = _below("image", name)
    with raised_as(ConfigError, f"image = {name!r} cannot be read", OSError, ValueError):
        data = read_file(path, within=root, limit=MAX_PICTURE)
        return decode_picture(data, most_pixels=SOURCE_PIXELS)


def _out(name: object) -> Path:
    root = _root()
    if name is None and root is None:
        return folder_here("runs")
    root, path = _below("out", "runs" if name is None else name)
    with raised_as(ConfigError, f"out = {name!r} cannot be used"):
        new = [each for each in (path, *path.parents) if root in each.parents and not each.exists()]
        make_inside(path, within=root)
        for folder in new:
            folder.chmod(0o700)  # as those of the command line: their names hold prompts
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
