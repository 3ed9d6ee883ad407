"""The whole way of the sketch generator, from nothing to a folder that diffusers loads.

Four stages, each with a checkpoint from which it goes on: the autoencoder; the text encoder, which
learns what words belong together; the flow model on the latents; and the decoder alone, once more,
while the latents stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from rr_refine.sketch.training.generator.assembly import save_pipeline, scale_latents
from rr_refine.sketch.training.generator.autoencoder import AutoencoderRecipe, train_autoencoder
from rr_refine.sketch.training.generator.binding import BindingRecipe, train_binding
from rr_refine.sketch.training.generator.flow import train_flow
from rr_refine.sketch.training.generator.flow_model import FlowRecipe

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

    def on(self, device: str) -> GeneratorRecipe:
        """The same on another device."""
        return GeneratorRecipe(
            autoencoder=replace(self.autoencoder, device=device),
            binding=replace(self.binding, device=device),
            flow=replace(self.flow, device=device),
            decoder=replace(self.decoder, device=device),
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
    folder: Path, recipe: GeneratorRecipe, say: Callable[[str], None] = lambda _: None
) -> Path:
    """Train, or go on training, in `folder`; gives the folder of the finished pipeline.

    Args:
        folder: for checkpoints, logs and, at the end, `generator/`.
        recipe: what each stage does.
        say: told the stages as they begin.
    """
    say("autoencoder")
    autoencoder = train_autoencoder(folder, recipe.autoencoder)
    autoencoder.requires_grad_(False)
    scale_latents(autoencoder)
    say("text")
    t5 = train_binding(folder, recipe.binding, recipe.flow)
    say("flow")
    model = train_flow(folder, autoencoder, recipe.flow, t5)
    say("decoder")
    autoencoder = train_autoencoder(folder, recipe.decoder, encoder_of=autoencoder)
    save_pipeline(folder / "generator", autoencoder.cpu(), model)
    return folder / "generator"
