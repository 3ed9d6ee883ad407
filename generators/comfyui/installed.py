"""What of a workflow a server has: its nodes, its models, and how large a seed may be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from rr_refine.batching import gather
from rr_refine.errors import ConfigError
from rr_refine.generators.comfyui.binding import Binding
from rr_refine.generators.comfyui.faults import is_model, table
from rr_refine.generators.comfyui.server import ComfyUIServer
from rr_refine.plugins import did_you_mean

__all__ = ["Installed", "look_up"]


_LISTED: Final = 2000
"""Files of models that a misspelt name is compared with."""
_LONG: Final = 100
"""Characters of what a server says of itself."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What a server said about itself and about the nodes of a workflow."""

    version: str
    device: str
    models: tuple[str, ...]
    """Files of models that the workflow uses, sorted."""
    seed_max: int | None
    """The largest seed that all seed inputs take; None where they do not say."""


async def look_up(server: ComfyUIServer, binding: Binding) -> Installed:
    """Ask the server.

    Raises:
        ConfigError: it is no ComfyUI, or lacks a node or a model of the workflow.
        GeneratorError: of the kind that fits: it does not answer.
    """
    stats = table(await server.look("system_stats"))
    system, devices = table(stats.get("system")), stats.get("devices")
    if "comfyui_version" not in system and "python_version" not in system:
        raise ConfigError(
            f"{server.url} is no ComfyUI server: set generator.base_url to one, such as "
            "http://127.0.0.1:8188"
        )
    kinds = sorted({node.kind for node in binding.nodes.values()})
    places = asyncio.Semaphore(8)

    async def ask(kind: str) -> Mapping[str, JsonValue]:
        async with places:
            return table(table(await server.look("object_info", kind)).get(kind))

    known = dict(zip(kinds, await gather(*map(ask, kinds)), strict=True))
    if missing := [node for node in binding.nodes.values() if not known[node.kind]]:
        names = ", ".join(node.shown for node in missing[:10])
        raise ConfigError(
            f"not installed in ComfyUI, and in the workflow: {names}; install these custom nodes "
            "(ComfyUI's Manager > Install Missing Custom Nodes) and start ComfyUI again"
        )
    models: set[str] = set()
    for node in binding.nodes.values():
        about = known[node.kind]
        if about.get("api_node") is True:
            raise ConfigError(
                f"{node.shown} of the workflow is drawn by a paid service of Comfy.org, which "
                "rr-refine does not use: take a workflow whose models run in your ComfyUI"
            )
        for name, value in node.inputs.items():
            if not isinstance(value, str) or not is_model(value):
                continue
            models.add(value)
            there = _choices(_input(about, name))
            if there is not None and value not in there:
                hint = did_you_mean(value, there[:_LISTED])
                more = f", … ({len(there)} in all)" if len(there) > 10 else ""
                raise ConfigError(
                    f"{node.shown} wants {name} = {value!r}, and ComfyUI has no such file{hint}; "
                    f"it has {', '.join(map(repr, there[:10])) or 'none'}{more}: put the file into "
                    "its models folder, or choose another in the workflow"
                )
    most = []
    for place in binding.seeds:
        config = _input(known[binding.nodes[place.node].kind], place.input)
        limit = table(config[1]).get("max") if len(config) > 1 else None
        most += [limit] if type(limit) is int and limit > 0 else []
    first = table(devices[0]) if isinstance(devices, list) and devices else {}
    return Installed(
        version=_word(system.get("comfyui_version")),
        device=_word(first.get("name")),
        models=tuple(sorted(models)),
        seed_max=min(most, default=None),
    )


def _word(said: JsonValue) -> str:
    return str(said or "unknown")[:_LONG]


def _input(about: Mapping[str, JsonValue], name: str) -> Sequence[JsonValue]:
    """The type and the options of an input; nothing if it is not known."""
    inputs = table(about.get("input"))
    for group in ("required", "optional"):
        found = table(inputs.get(group)).get(name)
        if isinstance(found, list) and found:
            return found
    return ()


def _choices(config: Sequence[JsonValue]) -> list[str] | None:
    """What an input may be chosen from; both ways in which servers list it."""
    if not config:
        return None
    found = config[0]
    if found == "COMBO" and len(config) > 1:
        found = table(config[1]).get("options")
    return [str(one) for one in found] if isinstance(found, list) else None
