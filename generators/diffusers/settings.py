"""The settings of a pipeline's call, by the names that other tools know."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

__all__ = ["settings_of"]

_SAMPLERS: Final = {
    "DDIMScheduler": "DDIM",
    "DDPMScheduler": "DDPM",
    "DPMSolverMultistepScheduler": "DPM++ 2M",
    "DPMSolverSDEScheduler": "DPM++ SDE",
    "DPMSolverSinglestepScheduler": "DPM++ 2S",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "EulerDiscreteScheduler": "Euler",
    "FlowMatchEulerDiscreteScheduler": "Euler",
    "FlowMatchHeunDiscreteScheduler": "Heun",
    "HeunDiscreteScheduler": "Heun",
    "KDPM2AncestralDiscreteScheduler": "DPM2 a",
    "KDPM2DiscreteScheduler": "DPM2",
    "LCMScheduler": "LCM",
    "LMSDiscreteScheduler": "LMS",
    "PNDMScheduler": "PLMS",
    "UniPCMultistepScheduler": "UniPC",
}
"""What AUTOMATIC1111's web UI calls the schedulers of diffusers; others keep their name."""


def settings_of(pipeline: object, arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Steps, sampler, guidance and negative prompt of a call, defaults included."""
    parameters = inspect.signature(type(pipeline).__call__).parameters
    used = {
        name: arguments.get(name, parameter.default)
        for name, parameter in parameters.items()
        if isinstance(arguments.get(name, parameter.default), int | float | str)
    }
    scale = used.get("true_cfg_scale") if "true_cfg_scale" in arguments else None
    sampler = type(getattr(pipeline, "scheduler", None)).__name__
    found: dict[str, JsonValue] = {
        "Steps": used.get("num_inference_steps"),
        "Sampler": _SAMPLERS.get(sampler, sampler.removesuffix("Scheduler")),
        "CFG scale": used.get("guidance_scale") if scale is None else scale,
        "Negative prompt": used.get("negative_prompt"),
    }
    return {name: value for name, value in found.items() if value is not None}
