"""The whole way of the sketch generator, from nothing to a folder that diffusers loads.

Four stages, each with a checkpoint from which it goes on: the autoencoder; the text encoder, which
learns what words belong together; the flow model on the latents; and the decoder alone, once more,
while the latents stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import torch
from diffusers import AutoencoderTiny, FlowMatchEulerDiscreteScheduler, FluxPipeline

from rr_refine.sketch.training.generator.autoencoder import (
    AutoencoderRecipe,
    to_pixels,
    train_autoencoder,
)
from rr_refine.sketch.training.generator.binding import BindingRecipe, train_binding
from rr_refine.sketch.training.generator.flow import train_flow
from rr_refine.sketch.training.generator.model import FlowModel, FlowRecipe
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.sampling import random_scene

__all__ = ["QUICK", "GeneratorRecipe", "train_generator"]


@dataclass(frozen=True, slots=True)
class GeneratorRecipe:
    """What each stage does, and how long."""

    autoencoder: AutoencoderRecipe = field(default_factory=AutoencoderRecipe)
    binding: BindingRecipe = field(default_factory=BindingRecipe)
    flow: FlowRecipe = field(default_factory=FlowRecipe)
    decoder: AutoencoderRecipe = field(
        default_factory=lambda: AutoencoderRecipe(
            steps=5500, learning_rate=1e-3, latent_noise=0.15, seed=3
        )
    )


QUICK: Final = GeneratorRecipe(
    autoencoder=AutoencoderRecipe(steps=60, width=16, batch=8),
    binding=BindingRecipe(steps=20, batch=32),
    flow=FlowRecipe(
        steps=60,
        batch=8,
        edit_batch=8,
        first_pool=64,
        width=64,
        heads=2,
        double_layers=1,
        single_layers=1,
        text_layers=1,
        compile=False,
    ),
    decoder=AutoencoderRecipe(steps=20, width=16, batch=8, seed=3),
)
"""A minute on a CPU: shows that everything runs, and draws nothing worth seeing."""


def train_generator(
    folder: Path,
    recipe: GeneratorRecipe,
    device: str = "auto",
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Train, or go on training, in `folder`; returns its folder `generator`, the finished pipeline.

    `say` is told each stage as it begins.
    """
    say("autoencoder")
    autoencoder = train_autoencoder(folder, recipe.autoencoder, device)
    autoencoder.requires_grad_(False)
    _scale_latents(autoencoder)
    say("text")
    t5 = train_binding(folder, recipe.binding, recipe.flow, device)
    say("flow")
    model = train_flow(folder, autoencoder, recipe.flow, t5, device)
    say("decoder")
    autoencoder = train_autoencoder(folder, recipe.decoder, device, encoder_of=autoencoder)
    _save_pipeline(folder / "generator", autoencoder.cpu(), model)
    return folder / "generator"


_SAMPLE: Final = 256


def _scale_latents(autoencoder: AutoencoderTiny) -> None:
    """Write into its config the shift and scale that give latents mean 0 and deviation 1."""
    random = Random(0)
    pixels = to_pixels([draw(random_scene(random), random) for _ in range(_SAMPLE)])
    parameter = next(autoencoder.parameters())
    with torch.no_grad():
        latents = autoencoder.encode(pixels.to(parameter.device)).latents
    autoencoder.register_to_config(
        shift_factor=round(latents.mean().item(), 4),
        scaling_factor=round(1.0 / latents.std().item(), 4),
    )


def _save_pipeline(folder: Path, autoencoder: AutoencoderTiny, model: FlowModel) -> None:
    """Write the folder. Transformer and autoencoder go in bfloat16, for size.

    The text encoders stay in float32: transformers keeps the type of a file where diffusers widens
    it, so that a plain `from_pretrained` would have a pipeline of two types.
    """
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=False),
        vae=autoencoder.train(False).to(torch.bfloat16),
        text_encoder=model.clip.train(False),
        tokenizer=model.clip_tokenizer,
        text_encoder_2=model.t5.train(False),
        tokenizer_2=model.t5_tokenizer,
        transformer=model.transformer.train(False).to(torch.bfloat16),
    )
    pipeline.save_pretrained(folder)
    # The class writes a config key that it does not know when it reads it.
    config = folder / "vae" / "config.json"
    known = json.loads(config.read_text("utf-8"))
    known.pop("block_out_channels", None)
    config.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
