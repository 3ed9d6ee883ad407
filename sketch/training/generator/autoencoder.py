"""Train the sketch autoencoder: 128 x 128 pixels to 16 x 16 latents of 8 channels, and back.

What: an `AutoencoderTiny` (the TAESD architecture: plain convolutions, factor 8) of one million
parameters, trained from nothing on 48-pixel crops of crowded scenes.

Why so: with plain L1 on whole pictures most of the loss is background, and colours collapse. So
shapes and what is near them count more, pale ones most, in L1 + L2. Noise on the latents teaches
the decoder to forgive the small errors of the flow model. Its own squashing (3 tanh(z / 3)) bounds
them.

Run: `rr-refine train sketch --only autoencoder`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch.nn import functional

from rr_refine.sketch.world.drawing import SIDE, centre_of, draw
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import Lettering
from rr_refine.training.loop import TrainingLoop, pick_device

__all__ = ["AutoencoderRecipe", "build_autoencoder", "crops", "to_pixels", "train_autoencoder"]

LATENT_CHANNELS = 8
CROP = 48
INK_WEIGHT = 4.0
NEAR = 3
"""Pixels around a shape that count like its own: else holes and notches fill up."""
WORDED = 0.5
"""Share of scenes with a word."""
WORD_WEIGHT = 3.0
"""Of the crops that hold a word: else G and C come back as O."""
BALANCE_WEIGHT = 0.1
"""Pulls every latent channel to mean 0 and deviation 1, as the noise has in the flow model."""


@dataclass(frozen=True, slots=True)
class AutoencoderRecipe:
    """What to train, and how long."""

    steps: int = 6000
    batch: int = 24
    learning_rate: float = 1.5e-3
    latent_noise: float = 0.1
    """Standard deviation of what is added to latents (they lie within 3 of 0)."""
    width: int = 48
    seed: int = 1


def build_autoencoder(width: int = 48) -> AutoencoderTiny:
    """An untrained autoencoder. Few blocks at full size: that is where the time goes."""
    return AutoencoderTiny(
        encoder_block_out_channels=(width,) * 4,
        decoder_block_out_channels=(width,) * 4,
        num_encoder_blocks=(0, 1, 3, 3),
        num_decoder_blocks=(3, 3, 1, 0),
        latent_channels=LATENT_CHANNELS,
    )


def to_pixels(images: Sequence[Image.Image]) -> torch.Tensor:
    """RGB images as a float tensor (N, 3, H, W) in [-1, 1]."""
    stacked = np.stack([np.asarray(image) for image in images])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float().div(127.5).sub(1.0)


def train_autoencoder(
    folder: Path,
    recipe: AutoencoderRecipe,
    device: str = "auto",
    encoder_of: AutoencoderTiny | None = None,
) -> AutoencoderTiny:
    """Train, or go on training, in `folder`; returns the model in evaluation mode.

    With `encoder_of`, a trained model, only its decoder is trained further: the latents, and so a
    flow model on them, stay valid.
    """
    device = pick_device(device)
    torch.manual_seed(recipe.seed)
    name = "autoencoder" if encoder_of is None else "decoder"
    model = build_autoencoder(recipe.width).to(device, memory_format=torch.channels_last)
    if encoder_of is not None:
        model.load_state_dict(encoder_of.state_dict())
        model.register_to_config(**_scale_of(encoder_of))
        model.encoder.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=0.0)
    random = Random(recipe.seed * 1_000_003)  # far from the seeds of exams and benchmarks
    loop = TrainingLoop(
        folder / f"{name}.pt", model, [optimizer], steps=recipe.steps, random=random
    )
    for _ in loop:
        pixels, weight = crops(random, recipe.batch)
        pixels = pixels.to(device, memory_format=torch.channels_last)
        latents = model.encode(pixels).latents
        noisy = latents + recipe.latent_noise * torch.randn_like(latents)
        error = model.decode(noisy).sample - pixels
        loss = ((error.abs() + error.square()) * weight.to(device)).mean()
        mean, spread = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
        balance = (mean.square() + (spread - 1.0).square()).mean()  # constant for a frozen encoder
        loop.update(loss + BALANCE_WEIGHT * balance, loss=loss.item(), balance=balance.item())
    loop.finish()
    return model


def _scale_of(model: AutoencoderTiny) -> dict[str, float]:
    return {name: model.config[name] for name in ("shift_factor", "scaling_factor")}


def crops(random: Random, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` crops (N, 3, 48, 48) in [-1, 1], and the weight of each pixel (N, 1, 48, 48)."""
    pieces, papers, counts = zip(*islice(_pieces(random), count), strict=True)
    pixels, paper = to_pixels(pieces), to_pixels(papers)
    ink = (pixels - paper).abs().amax(1, keepdim=True)
    near = functional.max_pool2d(ink, 2 * NEAR + 1, stride=1, padding=NEAR)
    weight = 1.0 + (near > 0.1) * INK_WEIGHT / near.clamp(0.4, 1.2)
    return pixels, weight * torch.tensor(counts).view(-1, 1, 1, 1)


def _pieces(random: Random) -> Iterator[tuple[Image.Image, Image.Image, float]]:
    """Crops without end, two of each scene: with a pixel of its background, and what they count.

    Every second scene has a word, and one of its crops, which counts more: what tells a G from an
    O is a few pixels.
    """
    while True:
        shapes = random.choice((3, 4, 5, 5))
        scene = random_scene(random, shapes=shapes, worded=random.random() < WORDED)
        picture = draw(scene, random)
        paper = picture.crop((0, 0, 1, 1))
        for word in (scene.lettering, None):
            left, top = _corner(word, random)
            crop = picture.crop((left, top, left + CROP, top + CROP))
            yield crop, paper, WORD_WEIGHT if word else 1.0


def _corner(word: Lettering | None, random: Random) -> tuple[int, int]:
    """Left and top of a crop: with the word about its middle, or anywhere."""
    most = SIDE - CROP
    if word is None:
        return random.randint(0, most), random.randint(0, most)
    left, top = (round(at) - CROP // 2 + random.randint(-8, 8) for at in centre_of(word.place))
    return min(max(0, left), most), min(max(0, top), most)
