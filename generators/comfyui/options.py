"""Options of the generator `comfyui`: the server, the workflow, and what is not found by itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue

from rr_refine.endpoint.options import ServerOptions

__all__ = ["ComfyUIOptions"]


def _many(given: JsonValue) -> JsonValue:
    return given if isinstance(given, list | tuple) else [given]


NodeId = Annotated[str, Field(coerce_numbers_to_str=True)]
Inputs = Annotated[tuple[NodeId, ...], BeforeValidator(_many)]
"""Inputs of nodes as `id.input`: `6.text`. One is a list of one."""


class ComfyUIOptions(ServerOptions):
    """Options of a generator that is a ComfyUI server with a workflow."""

    base_url: str = "http://127.0.0.1:8188"
    """Where ComfyUI is; the desktop application is at `http://127.0.0.1:8000`."""
    workflow: str = Field(min_length=1)
    """A file: a workflow in API format (File > Export (API)), or a PNG that ComfyUI saved."""
    prompt_input: Inputs | None = None
    """Where the prompt goes, as `id.input`; null finds it: by a placeholder `%prompt%`, or from the
    samplers back. So do the next three."""
    negative_input: Inputs | None = None
    """Where `parameters.negative_prompt` goes."""
    seed_input: Inputs | None = None
    """Where the seed goes."""
    source_input: Inputs | None = None
    """Where pictures to edit go, in order: inputs of LoadImage nodes. None at all where the
    workflow loads no picture."""
    size_node: NodeId | None = None
    """The node whose `width` and `height` are those of the picture."""
    output_node: NodeId | None = None
    """The node that saves or shows the picture."""
    timeout: float = Field(default=300.0, gt=0)
    """Seconds without an answer before the server counts as gone. It does not answer while it loads
    some models."""
    job_timeout: float = Field(default=3600.0, gt=0)
    """Seconds for one picture, its time in the server's queue included."""
    concurrency: int = Field(default=2, ge=1)
    """Pictures that wait in the server's queue at once, per event loop. It draws one at a time, and
    your own are in the same queue."""
