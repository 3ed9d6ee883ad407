"""Pictures from the user's own ComfyUI: its server, its models, and a workflow."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError, GeneratorError, UnsupportedRequestError
from rr_refine.generators.comfyui.binding import bind
from rr_refine.generators.comfyui.installed import Installed, look_up
from rr_refine.generators.comfyui.job import run_job
from rr_refine.generators.comfyui.options import ComfyUIOptions
from rr_refine.generators.comfyui.server import ComfyUIServer
from rr_refine.generators.comfyui.workflow_file import read_workflow
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.generators.prompt_syntax import PromptSyntax
from rr_refine.generators.sources import too_many_sources
from rr_refine.notices import add_notices
from rr_refine.pictures import decode_picture, encode_png, require_not_blank
from rr_refine.plugins import did_you_mean
from rr_refine.redaction import clean, hidden
from rr_refine.telemetry import waited
from rr_refine.terms import Identity, Task

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ComfyUIGenerator"]

_PARAMETERS: Final = ("width", "height", "negative_prompt")


class ComfyUIGenerator:
    """Renders with a workflow on a ComfyUI server. Safe to use from several event loops.

    The workflow is read at once, and the server asked when it is connected.

    Args:
        options: the server and the workflow.

    Raises:
        ConfigError: the workflow cannot be read, or a place in it is not unique.
    """

    def __init__(self, options: ComfyUIOptions) -> None:
        self._options = options
        self._binding = bind(read_workflow(Path(options.workflow)), options)
        self._server = ComfyUIServer(options)
        self._installed: Installed | None = None

    @property
    def identity(self) -> Identity:
        """The workflow, its models' files and the server's version. Where it runs is no part of it.

        What is in the files, and the versions of custom nodes, no server tells.

        Raises:
            ConfigError: the server was not asked yet; await `connect` first, or render.
        """
        found = self._installed
        if found is None:
            raise ConfigError(
                f"which models {self._server.url} has is not known before it was asked: await "
                "connect()"
            )
        return Identity(
            kind="comfyui",
            name=found.models[0] if len(found.models) == 1 else Path(self._options.workflow).stem,
            details={
                "workflow": self._binding.digest,
                "models": list(found.models),
                "version": found.version,
                "seeded": self.seeded,
            },
        )

    @property
    def tasks(self) -> frozenset[Task]:
        """One: an edit, if the workflow loads a picture."""
        return frozenset(("edit",) if self._binding.sources else ("t2i",))

    @property
    def takes(self) -> frozenset[str]:
        """What the workflow has a place for."""
        binding = self._binding
        size = ("width", "height") if binding.sizes else ()
        return frozenset((*size, *(("negative_prompt",) if binding.negative else ())))

    @property
    def most_sources(self) -> int:
        """As many pictures as the workflow loads."""
        return max(1, len(self._binding.sources))

    @property
    def seeded(self) -> bool:
        """Whether the workflow has a place for the seed."""
        return bool(self._binding.seeds)

    @property
    def notices(self) -> tuple[str, ...]:
        """Where the parts of a request go, and, once connected, who draws."""
        told = tuple(map(clean, self._binding.notices))
        if (found := self._installed) is None:
            return told
        models = ", ".join(found.models) or "without a model's file"
        return (*told, f"ComfyUI {found.version} on {found.device} draws with {models}")

    def read_syntax(self, prompt: str) -> PromptSyntax:
        """ComfyUI knows weights, `(red hat:1.3)`, and no LoRA tags."""
        tags = re.findall(r"<(?:lora|lyco|hypernet):[^<>\n]+>", prompt, re.IGNORECASE)
        notices = (
            f"ComfyUI reads {', '.join(tags[:5])} as words: LoRAs are nodes of the workflow",
        )
        return PromptSyntax(prompt=prompt, notices=notices if tags else ())

    @property
    def run_record(self) -> dict[str, JsonValue]:
        """The workflow, as a run keeps it."""
        return {"workflow": hidden(dict(self._binding.workflow.graph))}

    async def connect(self) -> None:
        """Ask the server whether it has what the workflow needs.

        Raises:
            ConfigError: it is no ComfyUI, or lacks a node or a model.
            GeneratorError: of the kind that fits: it does not answer.
        """
        self._installed = await look_up(self._server, self._binding)

    async def aclose(self) -> None:
        """Close the running event loop's connections. A later call opens them again."""
        await self._server.aclose()

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        """Render one image.

        Raises:
            UnsupportedRequestError: the task or a parameter has no place in the workflow, or the
                server refuses it.
            OutOfMemoryError: the server ran out of memory.
            GeneratorUnavailable: it cannot be reached.
            GeneratorTimeout: it does not answer, or is not done in time.
            GeneratorError: a node failed, or the job was stopped or lost.
            BlankImageError: the image is all black.
            ConfigError: the server is no ComfyUI, or lacks a node or a model.
        """
        self._require_possible(request)
        if self._installed is None:
            await self.connect()
        assert self._installed is not None
        queued = time.monotonic()
        async with self._server.slots:
            waited(time.monotonic() - queued)
            sources = [await self._upload(source) for source in request.sources]
            most, seed = self._installed.seed_max, request.seed
            if most is not None and seed > most:
                seed %= most + 1
            graph = self._binding.filled(request.prompt, seed, sources, request.parameters)
            image, number = await self._draw(graph, on_step)
        if seed != request.seed:
            add_notices(image, f"seed {seed} stands for {request.seed}, which the node cannot take")
        asked = tuple(request.parameters.get(side) for side in ("width", "height"))
        if asked != (None, None) and asked != image.size:
            got, wanted = (f"{width}x{height}" for width, height in (image.size, asked))
            add_notices(image, f"the workflow gave {got} pixels where {wanted} was asked for")
        if number > 1:
            add_notices(image, f"the workflow drew {number} pictures, and the first is taken")
        require_not_blank(image)
        return image

    async def _draw(
        self, graph: dict[str, JsonValue], on_step: OnStep | None
    ) -> tuple[Image.Image, int]:
        """The first picture that a graph draws, and how many there are."""
        server, output = self._server, self._binding.output
        for again in (False, True):
            if again:  # the server remembers a file that is no longer there: nothing is the same
                graph = {**graph, output: _changed(graph[output])}
            pictures = await run_job(
                server,
                graph,
                self._binding.nodes,
                output=output,
                limit=self._options.job_timeout,
                on_step=on_step if not again else None,
            )
            data = await server.picture(pictures[0])
            if data is None:
                continue
            with raised_as(GeneratorError, server.url, ValueError):
                return await asyncio.to_thread(decode_picture, data), len(pictures)
        raise GeneratorError(f"{server.url} no longer has the picture that it has just drawn")

    async def _upload(self, source: Image.Image) -> str:
        png = await asyncio.to_thread(encode_png, source)
        name = f"{hashlib.sha256(png).hexdigest()[:32]}.png"
        return await self._server.upload(name, png)

    def _require_possible(self, request: RenderRequest) -> None:
        wanted = self._binding.sources
        if request.task not in self.tasks:
            raise UnsupportedRequestError(
                "the workflow edits a picture: give one with --image"
                if wanted
                else "the workflow draws from a prompt alone and loads no picture to edit: take "
                "one with a LoadImage node, or name its place by generator.source_input"
            )
        if why := too_many_sources(self.most_sources, len(request.sources)):
            raise UnsupportedRequestError(f"the workflow {why}")
        if len(request.sources) < len(wanted):
            raise UnsupportedRequestError(
                f"the workflow edits {len(wanted)} pictures together, and {len(request.sources)} "
                "came: give the others too, or name one place in generator.source_input"
            )
        for name in request.parameters:
            if name not in _PARAMETERS:
                raise UnsupportedRequestError(
                    f"unknown parameter {name!r}{did_you_mean(name, list(_PARAMETERS))}; there are "
                    f"{', '.join(_PARAMETERS)}: set everything else in the workflow itself"
                )


def _changed(node: JsonValue) -> JsonValue:
    """A node with an input that does nothing but make it another one."""
    assert isinstance(node, Mapping)
    inputs = node["inputs"]
    assert isinstance(inputs, Mapping)
    return {**node, "inputs": {**inputs, "rr_refine": str(uuid.uuid4())}}
