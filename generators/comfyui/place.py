"""A place: an input of a node of a workflow, where a part of a request goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from rr_refine.errors import ConfigError
from rr_refine.generators.comfyui.workflow import Node, Workflow, link_of
from rr_refine.plugins import did_you_mean

__all__ = ["Place", "listed", "literal", "marked", "named", "node_named", "put", "shown"]

_MOST: Final = 8
"""Places that a message lists."""
_TEXT: Final = 60
"""Characters of a value that are shown."""
_MARKS: Final = 100
"""Times that a placeholder may stand in a workflow."""
_PLUMBING: Final = ("value", "seed", "noise_seed", "int", "number", "", "any", "input", "a")
"""Inputs of primitives and reroutes that pass on what they hold."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part of a request goes."""

    node: str
    input: str
    mark: str | None = None
    """The placeholder that it takes the place of; None for the whole value."""

    @property
    def key(self) -> tuple[str, str]:
        """Node and input."""
        return self.node, self.input


def shown(workflow: Workflow, place: Place) -> str:
    """A place as messages name it: `6.text of 'Positive'`."""
    node = workflow.nodes[place.node]
    return f"{place.node}.{place.input} of {node.title[:_TEXT]!r}"


def listed(workflow: Workflow, places: Iterable[Place]) -> str:
    """Candidates for a message, with what they hold now."""
    told = []
    for place in places:
        value = workflow.nodes[place.node].inputs.get(place.input)
        told.append(f"{shown(workflow, place)} ({str(value)[:_TEXT]!r})")
    more = f", … ({len(told)} in all)" if len(told) > _MOST else ""
    return ", ".join(told[:_MOST]) + more


def named(workflow: Workflow, text: str, option: str) -> Place:
    """The place that a user names as `id.input`.

    Args:
        option: the setting that names it, for messages.

    Raises:
        ConfigError: there is none.
    """
    number, dot, name = text.partition(".")
    if not dot or not number or not name:
        raise ConfigError(f"generator.{option} = {text!r} must be a node and its input: '6.text'")
    node = node_named(workflow, number, option)
    if name not in node.inputs:
        hint = did_you_mean(name, list(node.inputs))
        raise ConfigError(
            f"generator.{option} = {text!r}: {node.shown} has no input {name!r}{hint}; it has "
            f"{', '.join(node.inputs) or 'none'}"
        )
    place = literal(workflow, node, name)
    if place is None:
        raise ConfigError(
            f"generator.{option} = {text!r} is filled by another node: name the input that holds "
            "the value itself"
        )
    return place


def node_named(workflow: Workflow, number: str, option: str) -> Node:
    """The node that a user names by its id.

    Raises:
        ConfigError: there is none.
    """
    if number not in workflow.nodes:
        known = list(workflow.nodes)
        raise ConfigError(
            f"generator.{option}: the workflow has no node {number!r}{did_you_mean(number, known)}"
        )
    return workflow.nodes[number]


def literal(workflow: Workflow, node: Node, name: str) -> Place | None:
    """Where an input's value stands: in the node, or in a primitive that it comes from."""
    seen = set()
    while (link := link_of(node.inputs.get(name))) is not None:
        node = workflow.nodes[link.node]
        found = [one for one in _PLUMBING if one in node.inputs]
        if node.id in seen or len(found) != 1:
            return None
        seen.add(node.id)
        name = found[0]
    return Place(node.id, name) if name in node.inputs else None


def put(graph: dict[str, dict[str, JsonValue]], place: Place, value: JsonValue) -> None:
    """Put a value into a place.

    Args:
        graph: inputs by node, changed in place.
    """
    inputs = graph[place.node]
    held = inputs[place.input]
    if place.mark is not None and isinstance(held, str) and held.strip() != place.mark:
        value = held.replace(place.mark, str(value))
    inputs[place.input] = value


def marked(nodes: Mapping[str, Node], mark: str) -> tuple[Place, ...]:
    """All places that hold a placeholder.

    Raises:
        ConfigError: it stands there so often that a prompt in its place would fill the memory.
    """
    texts = [text for node in nodes.values() for text in node.inputs.values()]
    if (times := sum(text.count(mark) for text in texts if isinstance(text, str))) > _MARKS:
        raise ConfigError(f"{mark} stands {times:,} times in the workflow: {_MARKS} are the most")
    return tuple(
        Place(node.id, name, mark)
        for node in nodes.values()
        for name, value in node.inputs.items()
        if isinstance(value, str) and mark in value
    )
