"""A workflow with the places where the parts of a request go, and the graph that is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from rr_refine.digest import digest
from rr_refine.errors import ConfigError, UnsupportedRequestError
from rr_refine.generators.comfyui.options import ComfyUIOptions
from rr_refine.generators.comfyui.place import Place, listed, marked, named, node_named, put, shown
from rr_refine.generators.comfyui.tracing import (
    find_outputs,
    find_pictures,
    find_seeds,
    find_sizes,
    find_texts,
    picture_into,
    rewriting_nodes,
    texts_in,
)
from rr_refine.generators.comfyui.workflow import Node, Workflow

__all__ = ["Binding", "bind"]

_MARK: Final = re.compile(r"%[a-z_]+%")
_MARKS: Final = ("%prompt%", "%negative_prompt%", "%seed%", "%width%", "%height%", "%source%")
"""Placeholders, as other clients of ComfyUI have them too."""


@dataclass(frozen=True, slots=True)
class Binding:
    """Where the parts of a request go."""

    workflow: Workflow
    nodes: Mapping[str, Node]
    """Those that the picture depends on: only they are sent."""
    output: str
    prompt: tuple[Place, ...]
    negative: tuple[Place, ...]
    """Several, where they are not the same: then none can be given."""
    seeds: tuple[Place, ...]
    sizes: tuple[tuple[Place, Place], ...]
    sources: tuple[Place, ...]
    notices: tuple[str, ...]
    """What was found, a clause each."""

    @property
    def digest(self) -> str:
        """What the picture depends on besides the request."""
        given = (*self.prompt, *self.seeds, *self.sources)
        # Around a placeholder there may be words, which count.
        blank = {place.key for place in given if place.mark is None}
        drawn: dict[str, JsonValue] = {
            name: {
                "class_type": node.kind,
                "inputs": {k: v for k, v in node.inputs.items() if (name, k) not in blank},
            }
            for name, node in self.nodes.items()
            if name != self.output
        }
        return digest(drawn)

    def filled(
        self, prompt: str, seed: int, sources: Sequence[str], parameters: Mapping[str, JsonValue]
    ) -> dict[str, JsonValue]:
        """The graph for one request.

        Args:
            sources: what the server calls the pictures to edit.

        Raises:
            UnsupportedRequestError: a parameter has no place in the workflow.
        """
        graph = {node.id: dict(node.inputs) for node in self.nodes.values()}
        for place in self.prompt:
            put(graph, place, prompt)
        for place in self.seeds:
            put(graph, place, seed)
        for place, name in zip(self.sources, sources, strict=True):
            put(graph, place, name)
        self._put_negative(graph, parameters.get("negative_prompt"))
        self._put_size(graph, parameters)
        for inputs in graph.values():
            if type(inputs.get("batch_size")) is int:
                inputs["batch_size"] = 1
        pictures = self.nodes[self.output]
        link = pictures.inputs.get("images") or pictures.inputs.get("image")
        sent: dict[str, JsonValue] = {
            name: {"class_type": self.nodes[name].kind, "inputs": inputs}
            for name, inputs in graph.items()
        }
        # Not the node that saves: the user's own folder of pictures stays as it is.
        sent[self.output] = {"class_type": "PreviewImage", "inputs": {"images": link}}
        return sent

    def _put_negative(self, graph: dict[str, dict[str, JsonValue]], text: JsonValue) -> None:
        if text is None:
            for place in self.negative:
                if place.mark is not None:
                    put(graph, place, "")
            return
        if not isinstance(text, str):
            raise UnsupportedRequestError(f"negative_prompt = {text!r} is no text")
        if not self.negative:
            raise UnsupportedRequestError(
                "negative_prompt: the workflow has no negative prompt; take it out of the "
                "parameters, or name its place by generator.negative_input"
            )
        _same(self.workflow, self.negative, "the negative prompt", "negative_input", strict=False)
        for place in self.negative:
            put(graph, place, text)

    def _put_size(
        self, graph: dict[str, dict[str, JsonValue]], parameters: Mapping[str, JsonValue]
    ) -> None:
        marked_sides = any(side.mark for pair in self.sizes for side in pair)
        given = {side: parameters.get(side) for side in ("width", "height") if side in parameters}
        if not given and not marked_sides:
            return
        for side, value in given.items():
            if type(value) is not int or value < 1:
                raise UnsupportedRequestError(f"{side} = {value!r} is no number of pixels")
        if len(given) < 2:
            raise UnsupportedRequestError("give both parameters.width and parameters.height")
        if not self.sizes:
            raise UnsupportedRequestError(
                "width and height: the workflow has no place for a size (an edit has mostly that "
                "of its picture); take them out of the parameters, or set generator.size_node"
            )
        if len({_size(self.workflow, pair) for pair in self.sizes}) > 1:
            raise UnsupportedRequestError(
                "width and height: the workflow has several sizes, "
                f"{listed(self.workflow, [pair[0] for pair in self.sizes])}: set "
                "generator.size_node to the right one"
            )
        for pair in self.sizes:
            if pair[0].key == pair[1].key and given["width"] != given["height"]:
                raise UnsupportedRequestError(
                    "width and height come from one number in the workflow, so the picture is "
                    "square: give two equal ones"
                )
            put(graph, pair[0], given["width"])
            put(graph, pair[1], given["height"])


def bind(workflow: Workflow, options: ComfyUIOptions) -> Binding:
    """Find the places of a workflow.

    Raises:
        ConfigError: one is not there, or there are several; names the candidates.
    """
    output = _output(workflow, options.output_node)
    nodes = workflow.upstream(output)
    known = {node.id: node for node in nodes.values() if node.id != output}
    for node in known.values():
        for value in node.inputs.values():
            if isinstance(value, str) and _MARK.fullmatch(value) and value not in _MARKS:
                raise ConfigError(
                    f"the placeholder {value!r} in {node.shown} is none that is filled: put a "
                    f"value there; filled are {', '.join(_MARKS)}"
                )

    def given(option: str, mark: str, names: tuple[str, ...] | None) -> tuple[Place, ...]:
        places = tuple(named(workflow, text, option) for text in names or ())
        for place in places:
            if place.node not in known:
                raise ConfigError(
                    f"generator.{option}: the picture of node {output} does not depend on "
                    f"{shown(workflow, place)}"
                )
        return places or marked(known, mark)

    prompt = given("prompt_input", "%prompt%", options.prompt_input)
    if not prompt:
        prompt = _texts(workflow, known)
    negative = given("negative_input", "%negative_prompt%", options.negative_input)
    if not negative:
        found = find_texts(workflow, known, "negative")
        negative = tuple(place for place in found if place.key not in {p.key for p in prompt})
    seeds = given("seed_input", "%seed%", options.seed_input) or find_seeds(workflow, known)
    traced, hints = find_pictures(workflow, nodes, output)
    sources = given("source_input", "%source%", options.source_input)
    if not sources and len(traced) > 1:
        raise ConfigError(
            f"the workflow loads several pictures, {listed(workflow, traced)}: say which of them "
            "are edited, in order, by generator.source_input"
        )
    is_told = bool(sources)
    sources = sources or traced
    left = [p for p in (*traced, *hints) if p.key not in {one.key for one in sources}]
    masked = _masked(known, sources)
    if masked and not is_told:
        raise ConfigError(
            f"{masked[0].shown} uses the mask of the picture to edit, and pictures are sent "
            "without one: the whole picture would be drawn anew. If that is right, set "
            f"generator.source_input = {'.'.join(sources[0].key)!r}"
        )
    size = options.size_node
    names = None if size is None else (f"{size}.width", f"{size}.height")
    sides = given("size_node", "", names) if names else ()
    sizes = ((sides[0], sides[1]),) if sides else _sizes(workflow, known)
    bound = Binding(workflow, nodes, output, prompt, negative, seeds, sizes, sources, ())
    told = (*_told(bound, Path(options.workflow).name), *_doubts(bound, left, masked))
    return replace(bound, notices=told)


def _output(workflow: Workflow, given: str | None) -> str:
    if given is not None:
        node = node_named(workflow, given, "output_node")
        if picture_into(node) is None:
            raise ConfigError(f"generator.output_node: {node.shown} saves or shows no picture")
        return given
    found = find_outputs(workflow)
    if not found:
        raise ConfigError(
            "the workflow saves no picture: there is no SaveImage or PreviewImage node in it; "
            "set generator.output_node"
        )
    if len(found) > 1:
        names = ", ".join(workflow.nodes[one].shown for one in found)
        raise ConfigError(
            f"the workflow saves several pictures, by {names}: say which one counts by "
            f"generator.output_node, such as {found[0]!r}"
        )
    return found[0]


def _texts(workflow: Workflow, nodes: Mapping[str, Node]) -> tuple[Place, ...]:
    away = find_texts(workflow, nodes, "negative")
    others = tuple(place for place in texts_in(nodes) if place not in away)
    found = find_texts(workflow, nodes, "positive") or (others if len(others) == 1 else ())
    if not found:
        raise ConfigError(
            "the workflow's prompt was not found: no text leads to a sampler. Write %prompt% where "
            "it goes, or name that input by generator.prompt_input, such as '6.text'"
            + (f"; there are {listed(workflow, others)}" if others else "")
        )
    return _same(workflow, found, "the prompt", "prompt_input", strict=True)


def _same(
    workflow: Workflow, places: tuple[Place, ...], what: str, option: str, *, strict: bool
) -> tuple[Place, ...]:
    """Places that hold one text, empty ones aside: they are one.

    Raises:
        ConfigError, or UnsupportedRequestError where not `strict`: they are not.
    """
    held = {place: str(workflow.nodes[place.node].inputs[place.input]) for place in places}
    filled = tuple(place for place in places if held[place].strip()) or places
    if len({held[place] for place in filled}) > 1:
        error = ConfigError if strict else UnsupportedRequestError
        raise error(
            f"{what} of the workflow may be any of {listed(workflow, filled)}: name the right one "
            f"by generator.{option}, such as {'.'.join(filled[0].key)!r}, or write the placeholder "
            "where it goes"
        )
    return filled


def _sizes(workflow: Workflow, nodes: Mapping[str, Node]) -> tuple[tuple[Place, Place], ...]:
    wide, high = marked(nodes, "%width%"), marked(nodes, "%height%")
    if len(wide) != len(high):
        raise ConfigError("the placeholders %width% and %height% belong together: write both")
    if wide:
        return tuple(zip(wide, high, strict=True))
    return find_sizes(workflow, nodes)


def _size(workflow: Workflow, pair: tuple[Place, Place]) -> tuple[str, ...]:
    return tuple(str(workflow.nodes[place.node].inputs[place.input]) for place in pair)


def _masked(nodes: Mapping[str, Node], sources: Iterable[Place]) -> list[Node]:
    """Nodes that use the mask of a picture to edit: the second output of the node that loads it."""
    loads = {place.node for place in sources}
    return [
        node
        for node in nodes.values()
        if any(link.node in loads and link.slot == 1 for _, link in node.links)
    ]


def _told(bound: Binding, name: str) -> Iterable[str]:
    """What was found, in words."""
    workflow = bound.workflow

    def where(places: Iterable[Place]) -> str:
        return " and ".join(shown(workflow, place) for place in places)

    parts = [f"in {name!r} the prompt goes to {where(bound.prompt)}"]
    if bound.sources:
        parts.append(f"the picture to edit to {where(bound.sources)}")
    if bound.seeds:
        parts.append(f"the seed to {where(bound.seeds)}")
    if bound.negative:
        parts.append(f"a negative prompt to {where(bound.negative)}")
    if bound.sizes:
        sizes = (
            "x".join(_size(workflow, pair)) + f" (node {pair[0].node})" for pair in bound.sizes
        )
        parts.append(f"the size is {' and '.join(sizes)}")
    parts.append(f"the picture is that of {workflow.nodes[bound.output].shown}")
    yield ", ".join(parts)


def _doubts(bound: Binding, left: Sequence[Place], masked: Sequence[Node]) -> Iterable[str]:
    """What may be otherwise than the user thinks."""
    workflow = bound.workflow
    if not bound.seeds:
        yield (
            "the workflow has no seed: every seed may give the same picture, or the same request "
            "another one each time; name its place by generator.seed_input"
        )
    for node in rewriting_nodes(workflow, bound.nodes):
        yield f"{node.shown} writes the prompt anew before it is drawn: what is judged may differ"
    if left:
        yield f"these pictures stay as the workflow has them: {listed(workflow, left)}"
    for node in masked:
        yield f"{node.shown} gets an empty mask: pictures to edit are sent without one"
    for node in bound.nodes.values():
        number = node.inputs.get("batch_size")
        if type(number) is int and number > 1:
            yield f"{node.shown} draws {number} pictures at once; here it draws one"
