"""One batch of requests through a pipeline: seeds, progress, cancellation, memory, errors."""

from __future__ import annotations

import gc
import inspect
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from PIL import Image
from pydantic import JsonValue

from rr_refine.batching import BatchJob, BatchWorker
from rr_refine.boundary import is_out_of_memory, without_panics
from rr_refine.digest import digest
from rr_refine.drawing_settings import add_settings
from rr_refine.errors import (
    ConfigError,
    GeneratorError,
    GeneratorRefused,
    OutOfMemoryError,
    UnsupportedRequestError,
)
from rr_refine.generators.diffusers.arguments import Call, accepted_parameters, plan_call
from rr_refine.generators.diffusers.checkpoint import LoraFile
from rr_refine.generators.diffusers.family import Family, family_of
from rr_refine.generators.diffusers.options import RenderOptions
from rr_refine.generators.diffusers.output import as_values, pictures_of
from rr_refine.generators.diffusers.settings import settings_of
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.generators.prompt_fit import PromptFit
from rr_refine.terms import Task

__all__ = ["PipelineRenderer", "PromptJob", "Render", "RenderWorker"]

RenderJob: TypeAlias = "BatchJob[Render | PromptJob, Image.Image | PromptFit]"
RenderWorker: TypeAlias = "BatchWorker[Render | PromptJob, Image.Image | PromptFit]"

_LORAS: Final = "loras"
"""The parameter of requests that holds scales by adapter."""
_NO_LORAS: Final[Mapping[str, LoraFile]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Render:
    """What a job is about: the request, and who wants to know how far it is."""

    request: RenderRequest
    on_step: OnStep | None

    def kind(self) -> str:
        """Renders of one kind can share a pipeline call: same task, parameters and source sizes.

        Raises:
            UnsupportedRequestError: a parameter cannot be written as JSON.
        """
        parameters: dict[str, JsonValue] = dict(self.request.parameters)
        sizes: list[JsonValue] = [list(source.size) for source in self.request.sources]
        try:
            return digest({"parameters": parameters, "sizes": sizes})
        except (TypeError, ValueError) as error:
            raise UnsupportedRequestError(
                f"parameters {parameters!r} are not JSON: {error}"
            ) from error


@dataclass(frozen=True, slots=True)
class PromptJob:
    """A job that renders nothing, but finds out how the request's prompt is taken."""

    request: RenderRequest


class PipelineRenderer:
    """Calls pipelines for batches of jobs. One thread at a time.

    Args:
        pipelines: the pipeline for each task; often one object for both.
        options: parameters of every call, which a request may override.
        batch: most images in one call.
        loras: those in the pipelines, by the name of their adapter.

    Raises:
        ConfigError: an option, or `batch`, has no effect on any of the pipelines.
    """

    def __init__(
        self,
        pipelines: Mapping[Task, object],
        options: RenderOptions,
        batch: int,
        loras: Mapping[str, LoraFile] = _NO_LORAS,
    ) -> None:
        self._loras = dict(loras)
        self._scales = {name: lora.scale for name, lora in loras.items()}
        self._pipelines: dict[Task, Any] = dict(pipelines)
        self._families: dict[Task, Family] = {
            task: family_of(type(pipeline)) for task, pipeline in pipelines.items()
        }
        self._defaults = options.call_parameters()
        self._limits: dict[Task, int] = {
            task: batch if task in family.batched else 1 for task, family in self._families.items()
        }
        if batch > 1 and max(self._limits.values()) == 1:
            names = ", ".join(sorted({type(pipeline).__name__ for pipeline in pipelines.values()}))
            raise ConfigError(
                f"batch={batch} has no effect on {names}, which is not known to batch without "
                "changing its images"
            )
        self._owner = self._pipelines.get("t2i") or next(iter(self._pipelines.values()))
        """Loaded the components; a pipeline for edits may borrow them."""
        from rr_refine.generators.diffusers.prompt_reader import PromptReader  # loads torch

        self._readers = {task: PromptReader(one) for task, one in self._pipelines.items()}
        self._check_options()

    def limit(self, work: Render | PromptJob) -> int:
        """Most renders of its task in one call; falls when memory runs out."""
        if isinstance(work, PromptJob) or work.request.more_sources:
            return 1  # a list of pictures is one image's sources, or one picture of each image
        return self._limits.get(work.request.task, 1)

    def run(self, jobs: Sequence[RenderJob]) -> None:
        """Render jobs of one kind, giving each its image or its error.

        When memory runs out, the limit of the task is halved, and stays so.

        Raises:
            GeneratorError: the pipeline failed.
        """
        first = jobs[0].work
        task = first.request.task
        if isinstance(first, PromptJob):
            arguments = _with_requests(self._planned(first.request), [first.request])
            jobs[0].result.set_result(self._readers[task].fit(arguments))
            return
        try:
            self._call(task, jobs)
            return
        except OutOfMemoryError as error:
            if len(jobs) == 1:
                jobs[0].result.set_exception(error)
            else:
                self._limits[task] = len(jobs) // 2
        _free_memory()  # only here, where the error has let go of the tensors

    def _check_options(self) -> None:
        """Each option has an effect on at least one of the pipelines, and together they fit."""
        accepted = {
            task: accepted_parameters(pipeline, task) for task, pipeline in self._pipelines.items()
        }
        try:
            for name, value in self._defaults.items():
                if not any(name in parameters for parameters in accepted.values()):
                    self._plan(next(iter(accepted)), {name: value}, ())
            for task in accepted:
                self._plan(task, {}, [(1024, 1024)] if task == "edit" else ())
        except UnsupportedRequestError as error:
            raise ConfigError(f"generator option refused: {error}") from error

    def _plan(
        self,
        task: Task,
        asked: Mapping[str, JsonValue],
        source_sizes: Sequence[tuple[int, int]],
    ) -> Call:
        return plan_call(
            self._pipelines[task],
            task,
            self._families[task],
            defaults=self._defaults,
            asked=asked,
            source_sizes=source_sizes,
        )

    def _call(self, task: Task, jobs: Sequence[RenderJob]) -> None:
        """Render `jobs` in one call. Returns without results once nobody waits for any."""
        requests = [job.work.request for job in jobs]
        call = self._planned(requests[0])
        pipeline = self._pipelines[task]
        name = type(pipeline).__name__
        arguments = _with_requests(call, requests) | _watch(pipeline, jobs)
        scales = self._set_loras(requests[0])
        try:
            with without_panics():
                output = self._run(pipeline, arguments)
        except Exception as error:
            # The frames hold activations, and an error may be kept long after the render.
            traceback.clear_frames(error.__traceback__)
            raise _typed(error, name) from error
        if output is None:
            return
        images = pictures_of(getattr(output, "images", None), name)
        if not isinstance(images, list) or len(images) != len(jobs):
            raise GeneratorError(f"{name} returned no image for each request, but {output!r:.200}")
        loras: dict[str, JsonValue] = {}
        if used := {name: self._loras[name].digest[:12] for name, s in scales.items() if s}:
            loras["Lora hashes"] = ", ".join(f"{name}: {sha}" for name, sha in used.items())
        flags = getattr(output, "nsfw_content_detected", None) or [False] * len(jobs)
        for job, image, flagged in zip(jobs, images, flags, strict=True):
            if flagged:
                job.result.set_exception(
                    GeneratorRefused(f"{name}: the safety checker blanked the image")
                )
            elif isinstance(image, Image.Image):
                image = image if image.mode == "RGB" else image.convert("RGB")
                add_settings(image, {**settings_of(pipeline, call.arguments), **loras})
                job.result.set_result(image)
            else:
                job.result.set_exception(
                    GeneratorError(f"{name} returned a {type(image).__name__}, not a picture")
                )

    def _set_loras(self, request: RenderRequest) -> Mapping[str, float]:
        """Bring the LoRAs to the scales of a request: those of its tags, else their own."""
        asked = request.parameters.get(_LORAS, {})
        known = {name: lora.scale for name, lora in self._loras.items()}
        if not isinstance(asked, Mapping) or not asked.keys() <= known.keys():
            raise UnsupportedRequestError(
                f"loras = {asked!r}: the LoRAs are {', '.join(known) or 'none'}, each with a number"
            )
        scales = {**known, **{name: float(str(value)) for name, value in asked.items()}}
        if scales != self._scales:
            self._owner.set_adapters(list(scales), list(scales.values()))
            self._scales = scales
        return scales

    def _planned(self, request: RenderRequest) -> Call:
        """What a call for this request needs, and for those of its kind."""
        if request.task not in self._pipelines:
            able = next(iter(self._pipelines.values()))
            raise UnsupportedRequestError(
                f"{type(able).__name__} does not do {request.task!r}, "
                f"only {', '.join(self._pipelines)}"
            )
        parameters = {k: v for k, v in request.parameters.items() if k != _LORAS}
        asked = RenderOptions.of_request(parameters).call_parameters()
        return self._plan(request.task, asked, [source.size for source in request.sources])

    def _run(self, pipeline: Any, arguments: Mapping[str, Any]) -> Any:
        """The pipeline's output, or None once nobody waits for it."""
        left_as_found = False
        try:
            output = pipeline(**arguments, **as_values(pipeline))
            left_as_found = pipeline is self._owner
            return output
        except _AbandonedError:
            return None
        finally:
            # A pipeline ends its call by moving offloaded weights back. One that was stopped has
            # not, and one that borrows its components does not know of the hooks.
            if not left_as_found:
                self._owner.maybe_free_model_hooks()


class _AbandonedError(Exception):
    """Leaves a pipeline between two steps.

    diffusers' own way, `pipe._interrupt = True`, needs a pipeline that looks at it (in 0.42 one in
    five with a callback does not, InstructPix2Pix among them), and decodes the unfinished latents.
    """


def _with_requests(call: Call, requests: Sequence[RenderRequest]) -> dict[str, Any]:
    """The call's arguments for these requests; a list for each only where there is more than one.

    Each image has a generator of its own, on the CPU, so that its noise depends neither on its
    neighbours nor on the device. Lists are made anew for each call: some pipelines write in them.
    """
    import torch

    arguments: dict[str, Any] = dict(call.arguments)
    arguments["prompt"] = [request.prompt for request in requests]
    arguments["generator"] = [torch.Generator("cpu").manual_seed(r.seed) for r in requests]
    if call.source_sizes:
        arguments["image"] = [
            _fit(source, size)
            for request in requests
            for source, size in zip(request.sources, call.source_sizes, strict=True)
        ]
    if len(requests) == 1:
        one = ("prompt", "generator", *(["image"] if len(call.source_sizes) == 1 else []))
        return arguments | {name: arguments[name][0] for name in one if name in arguments}
    for name, value in call.arguments.items():
        if isinstance(value, str) and name.startswith(("prompt", "negative_prompt")):
            arguments[name] = [value] * len(requests)
    return arguments


def _fit(source: Image.Image, size: tuple[int, int]) -> Image.Image:
    return source if source.size == size else source.resize(size, Image.Resampling.LANCZOS)


def _watch(pipeline: Any, jobs: Sequence[RenderJob]) -> dict[str, Any]:
    """The callback arguments that report steps and leave when nobody waits; {} if it takes none."""

    def report(done: int, total: int) -> None:
        if all(job.abandoned for job in jobs):
            raise _AbandonedError
        for job in jobs:
            on_step = job.work.on_step if isinstance(job.work, Render) else None
            if on_step is not None and not job.abandoned:
                on_step(done, total)

    def at_step_end(pipe: Any, index: int, _: object, tensors: dict[str, Any]) -> dict[str, Any]:
        report(index + 1, getattr(pipe, "num_timesteps", None) or len(pipe.scheduler.timesteps))
        return tensors

    def at_old_step_end(index: int, *_: object) -> None:
        scheduler = pipeline.scheduler
        report(index + 1, len(scheduler.timesteps) // getattr(scheduler, "order", 1))

    taken = inspect.signature(type(pipeline).__call__).parameters
    if "callback_on_step_end" in taken:
        return {"callback_on_step_end": at_step_end}
    if "callback" in taken:  # PixArt
        return {"callback": at_old_step_end, "callback_steps": 1}
    return {}


def _typed(error: Exception, name: str) -> GeneratorError:
    """The error of ours for one that came out of a pipeline."""
    text = " ".join(str(error).split()) or repr(error)
    if is_out_of_memory(error):
        return OutOfMemoryError(
            f"{name}: out of memory for a single image: ask for a smaller width and height, "
            f"or set offload='model' or offload='sequential' ({text:.200})"
        )
    if isinstance(error, ValueError):
        return UnsupportedRequestError(f"{name} refused the request: {text:.500}")
    return GeneratorError(f"{name} failed with {type(error).__name__}: {text:.500}")


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()
