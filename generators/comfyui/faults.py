"""What goes wrong with a job of ComfyUI, in one line and as the error that fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from rr_refine.errors import (
    GeneratorError,
    OutOfMemoryError,
    UnsupportedRequestError,
)
from rr_refine.generators.comfyui.server import ComfyUIServer, ServerAnswer
from rr_refine.generators.comfyui.workflow import Node
from rr_refine.notices import shortened

__all__ = ["failed", "is_model", "refused", "table"]

_SHOWN: Final = 300
"""Characters of what one node says."""
_WHOLE: Final = 2_000
"""Characters of a message."""
_SUFFIXES: Final = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf")


def table(value: JsonValue) -> Mapping[str, JsonValue]:
    """A JSON object, or an empty one in place of something else."""
    return value if isinstance(value, dict) else {}


def is_model(value: JsonValue) -> bool:
    """Whether an input names the file of a model."""
    return isinstance(value, str) and value.lower().endswith(_SUFFIXES)


def refused(
    answer: ServerAnswer, server: ComfyUIServer, nodes: Mapping[str, Node]
) -> GeneratorError:
    """For a graph that the server does not take."""
    body = table(answer.body)
    error, by_node = table(body.get("error")), table(body.get("node_errors"))
    told = [text for name, one in by_node.items() for text in _of_node(name, table(one), nodes)]
    if not told:
        about = table(error.get("extra_info"))
        kind = about.get("class_type")
        words = " ".join(str(error.get(key) or "") for key in ("message", "details")).strip()
        words = _line(words or answer.words)
        told = [f"{words}{f' ({kind})' if kind else ''}"]
        if error.get("type") == "missing_node_type" or "does not exist" in words:
            told.append("install its custom nodes (ComfyUI's Manager) and start ComfyUI again")
    text = server.clean("; ".join(told[:5]), _WHOLE)
    return UnsupportedRequestError(f"{server.url} does not take the workflow: {text}")


def failed(
    entry: Mapping[str, JsonValue], server: ComfyUIServer, nodes: Mapping[str, Node]
) -> GeneratorError:
    """For a job that ended without a picture.

    Args:
        entry: of the history.
    """
    messages = table(entry.get("status")).get("messages")
    for one in messages if isinstance(messages, list) else ():
        kind, data = one if isinstance(one, list) and len(one) == 2 else (None, None)
        if kind == "execution_interrupted":
            return GeneratorError(f"{server.url}: somebody stopped this picture in ComfyUI")
        if kind == "execution_error":
            said = table(data)
            words = _line(said.get("exception_message"))
            error = _line(said.get("exception_type"))
            where = _named(str(said.get("node_id")), said, nodes)
            text = f"{server.url}: {server.clean(f'{where} failed: {words} ({error})', _WHOLE)}"
            if "outofmemory" in error.lower() or "out of memory" in words.lower():
                return OutOfMemoryError(
                    f"{text}; give a smaller size, or close what else uses the GPU"
                )
            return GeneratorError(text)
    return GeneratorError(
        f"{server.url}: the job ended without a picture, and ComfyUI does not say why"
    )


def _of_node(name: str, error: Mapping[str, JsonValue], nodes: Mapping[str, Node]) -> Iterator[str]:
    """What the server says of one node."""
    where = _named(name, error, nodes)
    found = error.get("errors")
    for one in map(table, found if isinstance(found, list) else ()):
        about = table(one.get("extra_info"))
        value = about.get("received_value")
        if one.get("type") == "value_not_in_list" and is_model(value):
            details = _line(one.get("details"))
            yield f"{where} wants {value!r}, and ComfyUI has no such file: {details}"
        else:
            yield f"{where}: {_line(one.get('message'))}: {_line(one.get('details'))}"


def _named(name: str, said: Mapping[str, JsonValue], nodes: Mapping[str, Node]) -> str:
    if name in nodes and nodes[name].kind in (said.get("class_type"), said.get("node_type")):
        return nodes[name].shown
    return f"node {name} ({said.get('class_type') or said.get('node_type')})"


def _line(words: JsonValue) -> str:
    """The first line of what is said; advice of many lines comes after it."""
    lines = str(words or "").strip().splitlines()
    return shortened(lines[0] if lines else "it does not say why", _SHOWN)
