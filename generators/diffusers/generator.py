"""The generator on top of diffusers pipelines."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self

from pydantic import JsonValue

from rr_refine.batching import Batcher
from rr_refine.errors import ConfigError, MissingExtraError
from rr_refine.generators.diffusers.arguments import offered
from rr_refine.generators.diffusers.checkpoint import (
    Checkpoint,
    find_checkpoint,
    needs_the_hub,
)
from rr_refine.generators.diffusers.family import family_of, pipeline_class
from rr_refine.generators.diffusers.loading import (
    load_pipelines,
    pair_pipelines,
    resolve_device,
    resolve_dtype,
)
from rr_refine.generators.diffusers.lora import require_file
from rr_refine.generators.diffusers.options import DiffusersOptions, RenderOptions
from rr_refine.generators.diffusers.rendering import (
    PipelineRenderer,
    PromptJob,
    Render,
    RenderWorker,
)
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.generators.prompt_fit import PromptFit
from rr_refine.generators.prompt_syntax import PromptSyntax, read_tags
from rr_refine.terms import Identity, Task

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from PIL import Image

__all__ = ["DiffusersGenerator"]

_THREAD: Final = "rr-refine-diffusers"


class DiffusersGenerator:
    """Renders with any text-to-image or image-editing pipeline of diffusers, in this process.

    Making one is cheap: the weights are loaded at the first render. Which pipelines are known, and
    what is refused, is in docs/generators.md.

    Args:
        options: the model, how to load it and how to call it.

    Raises:
        ConfigError: a folder that is no model.
        MissingExtraError: torch or diffusers are not installed.
    """

    def __init__(self, options: DiffusersOptions) -> None:
        for package in ("torch", "diffusers", "transformers"):
            if importlib.util.find_spec(package) is None:
                raise MissingExtraError("the diffusers generator", "local")
        self._source: _Source = _CheckpointSource(options)
        self._loras = {
            name: lora.adapter(index)
            for index, lora in enumerate(options.lora)
            for name in (Path(lora.model).stem, lora.adapter(index))
        }
        self._batcher = Batcher(self._source.load, _THREAD)

    @classmethod
    def from_pipeline(
        cls,
        pipeline: DiffusionPipeline,
        *,
        name: str | None = None,
        edit_pipeline: str | None = None,
        options: RenderOptions | None = None,
        batch: int = 1,
    ) -> Self:
        """Render with a pipeline that you have made yourself.

        It stays where it is, in its dtype. Do not call it from elsewhere during a render.

        Args:
            name: tells its weights from others in caches and manifests; by default the hub id or
                folder that it was loaded from. Give one if you changed the weights.
            edit_pipeline: class to make of the same components for edits.
            options: how to call it.
            batch: most images in one call.

        Raises:
            ConfigError: it has no name, is in training mode, or the options do not fit it.
        """
        generator = cls.__new__(cls)
        generator._source = _PipelineSource(
            pipeline, name, edit_pipeline, options or RenderOptions(), batch
        )
        generator._loras = {}
        generator._batcher = Batcher(generator._source.load, _THREAD)
        return generator

    @property
    def identity(self) -> Identity:
        """Class, weights, LoRAs, dtype, device type and call parameters.

        A folder is told by a fingerprint of its files, a hub id by its commit: the first use reads
        the folder, or fetches `model_index.json` (and LoRAs) from the hub.
        """
        return self._source.identity

    @property
    def tasks(self) -> frozenset[Task]:
        """What the pipeline, and the one for edits, can do."""
        return self._source.tasks

    @property
    def most_sources(self) -> int | None:
        """Most pictures that an edit takes; None for no fixed number."""
        return self._source.most_sources

    @property
    def takes(self) -> frozenset[str]:
        """Size and negative prompt, where the pipeline takes them; loads its class, no weights."""
        return self._source.takes

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        """Render one image.

        Concurrent calls with the same task, parameters and source size go into one pipeline call,
        up to `batch`. `on_step` is not called by pipelines without a callback.

        Raises:
            UnsupportedRequestError: the task, or a parameter, is not for this pipeline.
            OutOfMemoryError: not even one image fits.
            GeneratorRefused: the model's safety checker blanked the image.
            GeneratorError: the pipeline failed.
            ConfigError: the model cannot be found or loaded, or an option does not fit it.
        """
        render = Render(request, on_step)
        image = await self._batcher.submit(render, render.kind())
        assert not isinstance(image, PromptFit)
        return image

    def read_syntax(self, prompt: str) -> PromptSyntax:
        """Take the tags of its LoRAs out of a prompt; what other marks are is said."""
        return read_tags(prompt, self._loras)

    async def fit_prompt(self, request: RenderRequest) -> PromptFit:
        """How the pipeline takes the prompt, by its own tokenizers; loads it if need be.

        Raises:
            GeneratorError: as for `generate`.
        """
        fit = await self._batcher.submit(PromptJob(request), object())
        assert isinstance(fit, PromptFit)
        return fit


class _Source(Protocol):
    """Where the pipelines come from."""

    @property
    def identity(self) -> Identity: ...

    @property
    def tasks(self) -> frozenset[Task]: ...

    @property
    def most_sources(self) -> int | None: ...

    @property
    def takes(self) -> frozenset[str]: ...

    def load(self) -> RenderWorker: ...


class _CheckpointSource:
    """Weights on disk or on the hub."""

    def __init__(self, options: DiffusersOptions) -> None:
        self._options = options
        # What can be told without the network is told at once.
        self._known = None if needs_the_hub(options) else self._find()

    def _find(self) -> Checkpoint:
        checkpoint = find_checkpoint(self._options)
        for lora in checkpoint.loras:  # before a run is begun
            require_file(lora.path)
        return checkpoint

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        return self._known or self._find()

    @cached_property
    def identity(self) -> Identity:

        options, checkpoint = self._options, self._checkpoint
        device = resolve_device(options.device)
        chosen: dict[str, JsonValue] = {
            "edit_pipeline": options.edit_pipeline,
            "variant": options.variant,
            "config": options.config,
            "compile": options.compile or None,
        }
        return Identity(
            kind=f"diffusers:{checkpoint.class_name}",
            name=options.model,
            details={
                **checkpoint.describe(),
                "device": device.partition(":")[0],
                "dtype": resolve_dtype(options.dtype, device),
                **{key: value for key, value in chosen.items() if value is not None},
                **_call_details(options),
            },
        )

    @cached_property
    def tasks(self) -> frozenset[Task]:
        return _tasks(self._checkpoint.class_name, self._options.edit_pipeline)

    @property
    def most_sources(self) -> int | None:
        return family_of(self._options.edit_pipeline or self._checkpoint.class_name).most_sources

    @property
    def takes(self) -> frozenset[str]:
        name = self._checkpoint.class_name
        made_by = pipeline_class(name)
        return offered(made_by, family_of(name), self._options.call_parameters())

    def load(self) -> RenderWorker:

        pipelines = load_pipelines(self._checkpoint, self._options)
        loras = {lora.name: lora for lora in self._checkpoint.loras}
        return PipelineRenderer(pipelines, self._options, self._options.batch, loras)


class _PipelineSource:
    """A pipeline made by the caller."""

    def __init__(
        self,
        pipeline: DiffusionPipeline,
        name: str | None,
        edit_pipeline: str | None,
        options: RenderOptions,
        batch: int,
    ) -> None:

        class_name = type(pipeline).__name__
        _require_eval_mode(class_name, pipeline.components)
        name = name or pipeline.config.get("_name_or_path")
        if not name:
            raise ConfigError(f"this {class_name} was loaded from nowhere: give it a name")
        self._renderer = PipelineRenderer(pair_pipelines(pipeline, edit_pipeline), options, batch)
        self.tasks = _tasks(type(pipeline), edit_pipeline)
        self.most_sources = family_of(edit_pipeline or type(pipeline)).most_sources
        family = family_of(type(pipeline))
        self.takes = offered(type(pipeline), family, options.call_parameters())
        self.identity = Identity(
            kind=f"diffusers:{class_name}",
            name=name,
            details={
                "device": pipeline._execution_device.type,  # `.device` is "cpu" when offloaded
                "dtype": str(pipeline.dtype).removeprefix("torch."),
                **({"edit_pipeline": edit_pipeline} if edit_pipeline else {}),
                **_call_details(options),
            },
        )

    def load(self) -> RenderWorker:
        return self._renderer


def _require_eval_mode(class_name: str, components: Mapping[str, object]) -> None:
    training = [name for name, part in components.items() if getattr(part, "training", False)]
    if training:
        raise ConfigError(
            f"{training[0]!r} of this {class_name} is in training mode, so that dropout would make "
            "equal requests differ: call its .eval()"
        )


def _tasks(pipeline: type | str, edit_pipeline: str | None) -> frozenset[Task]:
    tasks = family_of(pipeline).tasks
    return tasks | {"edit"} if edit_pipeline else tasks


def _call_details(options: RenderOptions) -> dict[str, JsonValue]:
    return options.model_dump(include=set(RenderOptions.model_fields), exclude_defaults=True)
