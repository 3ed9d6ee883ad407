"""From options to the keyword arguments of a pipeline's `__call__`, refusing what has no effect.

Pipelines take much and ignore some of it: Qwen-Image warns about `guidance_scale` and goes on, most
ignore a negative prompt while guidance is off, several round a size down. A run that asks for
something and silently gets something else is worse than one that stops.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from rr_refine.errors import UnsupportedRequestError
from rr_refine.generators.diffusers.family import Family
from rr_refine.generators.diffusers.options import CALL_NAMES
from rr_refine.generators.sources import too_many_sources
from rr_refine.plugins import did_you_mean
from rr_refine.terms import Task

__all__ = ["Call", "accepted_parameters", "offered", "plan_call"]

_OURS: Final = {
    "self",
    "prompt",
    "image",
    "generator",
    "num_images_per_prompt",
    "output_type",
    "return_dict",
    "callback",
    "callback_steps",
    "callback_on_step_end",
    "callback_on_step_end_tensor_inputs",
    "max_area",
}
_TENSORS: Final = ("embeds", "embedding", "latents", "mask", "image", "images")
_OTHER_GUIDANCE: Final = {
    "guidance_scale": "true_cfg_scale",
    "true_cfg_scale": "guidance_scale",
    "num_inference_steps": "steps",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a pipeline, less its prompts, generators and pictures."""

    arguments: Mapping[str, JsonValue]
    source_sizes: Sequence[tuple[int, int]]
    """Width and height in which each source goes in; none for text-to-image."""


def accepted_parameters(pipeline: object, task: Task) -> dict[str, object]:
    """Names and defaults of what can be set on `pipeline` for `task`, by the names of its call."""
    parameters = inspect.signature(type(pipeline).__call__).parameters.values()
    accepted = {
        p.name: p.default
        for p in parameters
        if p.name not in _OURS
        and not p.name.startswith("_")
        and not p.name.endswith(_TENSORS)
        and p.kind is not inspect.Parameter.VAR_KEYWORD
    }
    return accepted | ({"max_side": None} if task == "edit" else {})


def offered(pipeline: type, family: Family, defaults: Mapping[str, JsonValue]) -> frozenset[str]:
    """Whether a request's size and negative prompt have an effect on a text-to-image call."""
    accepted = inspect.signature(pipeline.__call__).parameters
    scale = "true_cfg_scale" if "true_cfg_scale" in accepted else "guidance_scale"
    default = accepted[scale].default if scale in accepted else None
    value = {scale: default, **family.defaults, **defaults}[scale]
    guided = isinstance(value, int | float) and value > 1
    names = {"width", "height", *(("negative_prompt",) if guided else ())}
    return frozenset(names.intersection(accepted))


def plan_call(
    pipeline: object,
    task: Task,
    family: Family,
    *,
    defaults: Mapping[str, JsonValue],
    asked: Mapping[str, JsonValue],
    source_sizes: Sequence[tuple[int, int]] = (),
) -> Call:
    """Settle everything that a call needs besides prompts, generators and pictures.

    Args:
        defaults: the generator's own options; those for its other pipeline are passed over.
        asked: the request's parameters, which go first. `None` means the pipeline's default.
        source_sizes: width and height of each source; none for text-to-image.

    Raises:
        UnsupportedRequestError: something that was asked for would have no effect.
    """
    name = type(pipeline).__name__
    if why := too_many_sources(family.most_sources, len(source_sizes)):
        raise UnsupportedRequestError(f"{name} {why}")
    accepted = accepted_parameters(pipeline, task)
    for parameter in asked:
        if parameter not in accepted:
            raise UnsupportedRequestError(_unknown(name, task, parameter, accepted))
    merged: dict[str, JsonValue] = {
        key: value
        for key, value in {**family.defaults, **defaults, **asked}.items()
        if key in accepted and value is not None
    }
    _require_guidance_in_effect(pipeline, name, family, accepted, merged)
    _require_a_size_that_is_kept(pipeline, name, accepted, merged)
    max_side = merged.pop("max_side", None)
    if isinstance(max_side, int):
        source_sizes = [_scale(size, max_side / max(size)) for size in source_sizes]
    for size in source_sizes:
        if min(size) < (least := _multiple(pipeline)):
            raise UnsupportedRequestError(
                f"the picture to edit goes in with {size[0]}x{size[1]} pixels: {name} "
                f"needs {least} or more on each side; give a larger picture"
            )
    if "max_area" in inspect.signature(type(pipeline).__call__).parameters:
        first = source_sizes[0] if source_sizes else None
        sized, first = _kontext_sizes(merged, first, _multiple(pipeline), native=max_side is None)
        merged |= sized
        source_sizes = [] if first is None else [first]
    elif family.edit_area is not None and len(source_sizes) > 1 and "width" not in merged:
        merged |= _size_of_first(source_sizes[0], family.edit_area)
    return Call(merged, source_sizes)


def _size_of_first(size: tuple[int, int], area: int) -> dict[str, JsonValue]:
    """The arguments for so many pixels in the proportions of `size`, as Qwen's pipelines round."""
    ratio = size[0] / size[1]
    width, height = (
        max(1, round(side / 32)) * 32 for side in ((area * ratio) ** 0.5, (area / ratio) ** 0.5)
    )
    return {"width": width, "height": height}


def _scale(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """`size` times `factor`; never enlarged."""
    factor = min(1.0, factor)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _unknown(name: str, task: Task, parameter: str, accepted: Mapping[str, object]) -> str:
    ours = {call: own for own, call in CALL_NAMES.items()}
    known = sorted(ours.get(key, key) for key in accepted)
    other = _OTHER_GUIDANCE.get(parameter)
    hint = f" (it has {other!r})" if other in known else did_you_mean(parameter, known)
    return (
        f"{name} takes no {ours.get(parameter, parameter)!r} for {task}{hint}; "
        f"it takes {', '.join(known)}"
    )


def _config(component: object, key: str) -> object:
    """An entry of a component's config, or None."""
    config = getattr(component, "config", None)
    return config.get(key) if isinstance(config, Mapping) else None


def _require_guidance_in_effect(
    pipeline: object,
    name: str,
    family: Family,
    accepted: Mapping[str, object],
    merged: dict[str, JsonValue],
) -> None:
    """Refuse guidance that does nothing; fill in the negative prompt that guidance needs.

    Three kinds, told apart by signature and config: classifier-free guidance under
    `guidance_scale`; the same under `true_cfg_scale`, beside a distilled `guidance_scale` that
    only models with guidance embeddings have; distilled guidance alone.
    """
    denoiser = getattr(pipeline, "transformer", None) or getattr(pipeline, "unet", None)
    embedded = _config(denoiser, "guidance_embeds")
    is_distilled = _config(pipeline, "is_distilled")
    true_cfg = "true_cfg_scale" in accepted
    distilled_only = "negative_prompt" not in accepted and is_distilled is None
    if "guidance_scale" in merged:
        if (true_cfg or distilled_only) and embedded is False:
            instead = "; use 'true_cfg_scale'" if true_cfg else ""
            raise UnsupportedRequestError(
                f"'guidance_scale' has no effect on this {name}: "
                f"the model has no guidance embedding{instead}"
            )
        if is_distilled:
            raise UnsupportedRequestError(
                f"'guidance_scale' has no effect on this {name}: the model is step-distilled"
            )
    scale = "true_cfg_scale" if true_cfg else "guidance_scale"
    value = merged.get(scale, accepted.get(scale))
    off = isinstance(value, int | float) and value <= 1
    if true_cfg and not off:
        merged.setdefault("negative_prompt", family.unconditional)
    elif "negative_prompt" in merged:
        if off:
            raise UnsupportedRequestError(
                f"'negative_prompt' has no effect on {name} while {scale!r} is {value!r}; "
                f"set {scale!r} above 1"
            )
        if _config(denoiser, "time_cond_proj_dim") is not None:
            raise UnsupportedRequestError(
                f"'negative_prompt' has no effect on this {name}: the model's guidance is distilled"
            )


def _require_a_size_that_is_kept(
    pipeline: object, name: str, accepted: Mapping[str, object], merged: Mapping[str, JsonValue]
) -> None:
    if ("width" in merged) != ("height" in merged):
        raise UnsupportedRequestError("'width' and 'height' go together: give both or neither")
    if merged.get("use_resolution_binning", accepted.get("use_resolution_binning")):
        return  # renders at a size it was trained on, and scales to the one asked for
    multiple = _multiple(pipeline)
    for side in ("width", "height"):
        pixels = merged.get(side)
        if isinstance(pixels, int) and pixels % multiple:
            below = pixels // multiple * multiple
            near = f"{below} or {below + multiple}" if below else str(multiple)
            raise UnsupportedRequestError(
                f"{side} = {pixels}: {name} needs a multiple of {multiple}, such as {near}"
            )


def _multiple(pipeline: object) -> int:
    """What a width or height must be a multiple of: one patch of the denoiser, in pixels."""
    processor = _config(getattr(pipeline, "image_processor", None), "vae_scale_factor")
    scale, patch = (getattr(pipeline, name, 1) for name in ("vae_scale_factor", "patch_size"))
    by_patch = scale * patch if isinstance(scale, int) and isinstance(patch, int) else 1
    return max(processor if isinstance(processor, int) else 1, by_patch)


def _kontext_sizes(
    merged: Mapping[str, JsonValue],
    source_size: tuple[int, int] | None,
    multiple: int,
    *,
    native: bool,
) -> tuple[dict[str, JsonValue], tuple[int, int] | None]:
    """Arguments that make Kontext keep to a size, and the size in which the source goes in.

    It scales whatever width and height it is given to one megapixel (`max_area`), makes a square
    where it is given none, and resizes the source to a resolution that it was trained on. Where
    nothing was asked for (`native`) that stays, but in the source's proportions. A size that was
    asked for is kept, and the source goes in with no more pixels than that.
    """
    width, height = merged.get("width"), merged.get("height")
    if isinstance(width, int) and isinstance(height, int):
        area = width * height
        if source_size is None:
            return {"max_area": area}, None
        source_size = _scale(source_size, (area / (source_size[0] * source_size[1])) ** 0.5)
        return {"max_area": area, "_auto_resize": False}, source_size
    if source_size is None:
        return {}, None
    width, height = (max(multiple, side // multiple * multiple) for side in source_size)
    size: dict[str, JsonValue] = {"width": width, "height": height}
    if native:
        return size, source_size
    return size | {"max_area": width * height, "_auto_resize": False}, source_size
