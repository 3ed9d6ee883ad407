"""A ComfyUI workflow in its API format: nodes by id, whose inputs are values or links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pydantic import JsonValue

from rr_refine.errors import ConfigError

__all__ = ["Link", "Node", "Workflow", "link_of"]

_MOST: Final = 5000
"""Nodes; the largest templates have some 200."""
_TITLE_MAX: Final = 60
"""Characters of a title that are shown."""


class Link(NamedTuple):
    """Where an input's value comes from."""

    node: str
    slot: int
    """Which output of that node."""


def link_of(value: JsonValue) -> Link | None:
    """The link that an input holds; None if it holds a value."""
    if isinstance(value, list) and len(value) == 2:
        node, slot = value
        if isinstance(node, str | int) and isinstance(slot, int):
            return Link(str(node), slot)
    return None


@dataclass(frozen=True, slots=True)
class Node:
    """One node."""

    id: str
    kind: str
    """Its `class_type`: `KSampler`."""
    title: str
    """What the user sees; its kind if it has none of its own."""
    inputs: Mapping[str, JsonValue]

    @property
    def links(self) -> Iterator[tuple[str, Link]]:
        """Inputs that come from other nodes."""
        for name, value in self.inputs.items():
            if (link := link_of(value)) is not None:
                yield name, link

    @property
    def shown(self) -> str:
        """What messages call it."""
        title = "" if self.title == self.kind else f" {self.title[:_TITLE_MAX]!r}"
        return f"node {self.id}{title} ({self.kind})"


@dataclass(frozen=True, slots=True)
class Workflow:
    """A whole graph. Every link in it leads to a node that is there."""

    nodes: Mapping[str, Node]
    graph: Mapping[str, JsonValue] = field(repr=False)
    """As the file has it."""

    @classmethod
    def read(cls, graph: JsonValue, shown: str) -> Workflow:
        """Read a graph.

        Args:
            graph: what a file holds.
            shown: what messages call that file.

        Raises:
            ConfigError: it is no workflow in API format; says how to get one.
        """
        if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
            raise ConfigError(
                f"{shown} is in the format of ComfyUI's editor; in ComfyUI choose File > Export "
                "(API) and give that file, or give a PNG picture that this workflow has saved"
            )
        if not isinstance(graph, dict) or not graph or not all(map(_is_node, graph.values())):
            raise ConfigError(
                f"{shown} is no ComfyUI workflow: in ComfyUI choose File > Export (API) and give "
                "that file, or give a PNG picture that ComfyUI has saved"
            )
        if len(graph) > _MOST:
            raise ConfigError(f"{shown} has {len(graph):,} nodes, and {_MOST:,} are the most")
        nodes = {name: _node(name, one) for name, one in graph.items() if isinstance(one, dict)}
        for node in nodes.values():
            for name, link in node.links:
                if link.node not in nodes:
                    raise ConfigError(
                        f"{name!r} of {node.shown} in {shown} comes from node {link.node!r}, which "
                        "is not in the file: export it again"
                    )
        return cls(nodes, graph)

    def upstream(self, node: str) -> dict[str, Node]:
        """The node and all that it depends on, in the order of the file."""
        found: set[str] = set()
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += [link.node for _, link in self.nodes[one].links]
        return {name: each for name, each in self.nodes.items() if name in found}


def _is_node(value: JsonValue) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("class_type"), str)
        and isinstance(value.get("inputs", {}), dict)
    )


def _node(name: str, given: dict[str, JsonValue]) -> Node:
    kind, inputs, about = str(given["class_type"]), given.get("inputs", {}), given.get("_meta")
    title = about.get("title") if isinstance(about, dict) else None
    assert isinstance(inputs, dict)
    return Node(name, kind, str(title) if title else kind, inputs)
