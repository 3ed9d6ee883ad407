"""The pipeline that is trained: loaded, frozen, quiet, with the solver of the recipe."""

from __future__ import annotations

import math
import pkgutil
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from diffusers import DPMSolverMultistepScheduler

from rr_refine.errors import ConfigError
from rr_refine.files import require_no_links
from rr_refine.generators.diffusers.checkpoint import find_parts
from rr_refine.generators.diffusers.family import pipeline_class
from rr_refine.generators.diffusers.parts import require_classes, require_whole
from rr_refine.hub import loaded
from rr_refine.plugins import imported, is_dotted_path
from rr_refine.training.nft.config import NftRecipe
from rr_refine.training.nft.families import family_for

__all__ = ["FlowDpmSolver", "call_arguments", "load_pipeline", "make_accelerator", "set_up"]


def load_pipeline(recipe: NftRecipe) -> Any:
    """The recipe's pipeline from its folder or the hub.

    Raises:
        ConfigError: it cannot be found or loaded, or is of no family that can be trained.
    """
    import torch

    model = recipe.model
    if is_dotted_path(model):
        model = str(imported(f"model {model!r}", partial(pkgutil.resolve_name, model)))
    with loaded("model", model, ask=False) as name:
        parts, commit = find_parts(name, recipe.revision)
        made_by = pipeline_class(recipe.pipeline or str(parts.get("_class_name")))
        require_whole(made_by)
        require_classes(parts)
        pipeline = made_by.from_pretrained(
            name,
            revision=commit or recipe.revision,
            dtype=getattr(torch, recipe.precision),
            use_safetensors=True,
            trust_remote_code=False,
        )
    return set_up(pipeline, recipe)


def set_up(pipeline: Any, recipe: NftRecipe) -> Any:
    """Freeze a pipeline and put the recipe's solver into it.

    Raises:
        ConfigError: it is of no family that can be trained, or quantised in a way that peft
            cannot train on.
    """
    family_for(pipeline)
    for part in pipeline.components.values():
        if hasattr(part, "requires_grad_"):
            part.requires_grad_(False).train(False)
    quantised = getattr(pipeline.transformer, "quantization_method", None)
    if quantised is not None and not pipeline.transformer.hf_quantizer.is_trainable:
        raise ConfigError(f"a transformer quantised by {quantised!r} cannot be trained upon")
    if recipe.solver == "dpm2":
        pipeline.scheduler = FlowDpmSolver.like(pipeline.scheduler.config, recipe.shift)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def call_arguments(pipeline: object, recipe: NftRecipe) -> dict[str, object]:
    """The arguments of every call, without guidance.

    Raises:
        ConfigError: the recipe asks for guidance of a second pass.
    """
    family = family_for(pipeline)
    fixed = dict(family.guidance)
    for name in ("guidance_scale", "true_cfg_scale", "negative_prompt"):
        if name in recipe.call and not (name == "guidance_scale" and family.embedded):
            raise ConfigError(
                f"call.{name} = {recipe.call[name]!r}: {type(pipeline).__name__} is trained "
                "without guidance, which the training takes the place of"
            )
    return {**recipe.call, **fixed, "num_inference_steps": recipe.steps}


class FlowDpmSolver(DPMSolverMultistepScheduler):  # type: ignore[misc]
    """DPM-Solver++ 2M for flow models, in place of the Euler scheduler of any of the families.

    Pipelines hand a scheduler their own sigmas, which this one does not take, and the logarithm of
    a shift that they find in its config.
    """

    @classmethod
    def like(cls, before: Mapping[str, Any], shift: float) -> FlowDpmSolver:
        """One that shifts times by the picture's size as the scheduler `before` did, or by a fixed
        `shift`.
        """
        solver = cls(
            use_flow_sigmas=True,
            prediction_type="flow_prediction",
            flow_shift=shift,
            use_dynamic_shifting=True,
            time_shift_type="exponential",
        )
        names = ("base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len")
        by_size = {name: before[name] for name in names if name in before}
        fixed = {"base_shift": math.log(shift), "max_shift": math.log(shift)}
        solver.register_to_config(**(by_size if before.get("use_dynamic_shifting") else fixed))
        return solver

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Any = None,
        mu: float | None = None,
        timesteps: list[int] | None = None,
        sigmas: Sequence[float] | None = None,
    ) -> None:
        """As many steps as are asked for, at its own sigmas."""
        if sigmas is not None:
            num_inference_steps = len(sigmas)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            super().set_timesteps(num_inference_steps, device, mu, timesteps)


def make_accelerator(recipe: NftRecipe, out: Path) -> Accelerator:
    """What spreads the work over processes, its trackers begun.

    Raises:
        ConfigError: a tracker is not installed, or the launcher shards models.
        StoreError: there is a link in the folder.
    """
    require_no_links(out)
    if missing := sorted({*recipe.trackers} - {str(name) for name in get_available_trackers()}):
        raise ConfigError(f"trackers: {missing[0]} is not installed: pip install {missing[0]}")
    accelerator = Accelerator(
        cpu=recipe.device == "cpu", log_with=list(recipe.trackers) or None, project_dir=out
    )
    if (kind := accelerator.distributed_type.value) in ("FSDP", "DEEPSPEED"):
        raise ConfigError(f"no sharded model ({kind}) can be trained: use --multi_gpu")
    accelerator.init_trackers("rr-refine-nft")
    return accelerator
