"""Trained parts become a folder that stock `FluxPipeline.from_pretrained` loads, and back."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from rr_refine.sketch.training.generator.autoencoder import to_pixels
from rr_refine.sketch.training.generator.flow_model import FlowModel
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.sampling import random_scene

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny, FluxPipeline

__all__ = ["assemble", "save_pipeline", "scale_latents"]

_SAMPLE: Final = 256


def scale_latents(autoencoder: AutoencoderTiny) -> None:
    """Write into its config the shift and scale that give latents mean 0 and deviation 1."""
    import torch

    random = Random(0)
    pixels = to_pixels([draw(random_scene(random), random) for _ in range(_SAMPLE)])
    parameter = next(autoencoder.parameters())
    with torch.no_grad():
        latents = autoencoder.encode(pixels.to(parameter.device)).latents
    autoencoder.register_to_config(
        shift_factor=round(latents.mean().item(), 4),
        scaling_factor=round(1.0 / latents.std().item(), 4),
    )


def assemble(autoencoder: AutoencoderTiny, model: FlowModel) -> FluxPipeline:
    """A `FluxPipeline` of trained parts, without a copy of them."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline

    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=False),
        vae=autoencoder.train(False),
        text_encoder=model.clip.train(False),
        tokenizer=model.clip_tokenizer,
        text_encoder_2=model.t5.train(False),
        tokenizer_2=model.t5_tokenizer,
        transformer=model.transformer.train(False),
    )


def save_pipeline(folder: Path, autoencoder: AutoencoderTiny, model: FlowModel) -> None:
    """Write the folder. Transformer and autoencoder go in bfloat16, for size.

    The text encoders stay in float32: transformers keeps the type of a file where diffusers widens
    it, so that a plain `from_pretrained` would have a pipeline of two types.
    """
    import torch

    pipeline = assemble(autoencoder, model)
    pipeline.transformer.to(torch.bfloat16)
    pipeline.vae.to(torch.bfloat16)
    pipeline.save_pretrained(folder)
    # The class writes a config key that it does not know when it reads it.
    config = folder / "vae" / "config.json"
    known = json.loads(config.read_text("utf-8"))
    known.pop("block_out_channels", None)
    config.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
