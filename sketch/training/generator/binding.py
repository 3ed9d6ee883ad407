"""Teach the T5 encoder which words belong together, before the flow model sees a picture.

What: nine learned questions, one for each place, look at the encoder's output for a dense request
and tell what stands there: its kind, colour and size. The questions are thrown away; the encoder
stays, and the flow model goes on with it.

Why so: the transformer knows no order of words, so that all binding has to be done in the encoder,
and through a picture's loss it is learned very late: the right things are drawn, with their
attributes traded. Here three minutes of one CPU core are enough to read every scene without a
mistake.

Run: `rr-refine train sketch --only flow` begins with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import T5EncoderModel

from rr_refine.sketch.generator import MAX_TOKENS
from rr_refine.sketch.training.generator.model import (
    FlowRecipe,
    build_t5,
    build_t5_tokenizer,
)
from rr_refine.sketch.training.generator.pool import LABELS, things_of
from rr_refine.sketch.world.phrasing import phrase, request_for
from rr_refine.sketch.world.sampling import random_scene
from rr_refine.sketch.world.scene import PLACES
from rr_refine.training.loop import TrainingLoop, pick_device

__all__ = ["BindingRecipe", "train_binding"]

_ASKED: Final = ("thing", "colour", "size")


@dataclass(frozen=True, slots=True)
class BindingRecipe:
    """What to train, and how long."""

    steps: int = 250
    batch: int = 128
    learning_rate: float = 1e-3
    """Of the encoder; that of the questions is three times as much."""
    seed: int = 5


def train_binding(
    folder: Path, recipe: BindingRecipe, flow: FlowRecipe, device: str = "auto"
) -> T5EncoderModel:
    """Train, or go on training, in `folder`; returns the encoder.

    The log has the cross-entropy and the share of scenes that were read without a mistake. The
    encoder has the size that `flow` wants.
    """
    device = pick_device(device)
    torch.manual_seed(recipe.seed)
    tokenizer = build_t5_tokenizer()
    t5 = build_t5(tokenizer, flow.width, flow.text_layers)
    parts = nn.ModuleDict(
        {
            "t5": t5,
            "places": nn.Embedding(len(PLACES), flow.width),
            "look": nn.MultiheadAttention(flow.width, 4, batch_first=True),
            **{name: nn.Linear(flow.width, LABELS[name]) for name in _ASKED},
        }
    ).to(device)
    rest = [weight for name, weight in parts.named_parameters() if not name.startswith("t5.")]
    optimizer = torch.optim.Adam(
        [
            {"params": list(t5.parameters()), "lr": recipe.learning_rate},
            {"params": rest, "lr": 3 * recipe.learning_rate},
        ]
    )
    random = Random(recipe.seed * 1_000_003)  # far from the seeds of exams and benchmarks
    loop = TrainingLoop(
        folder / "binding.pt",
        parts,
        [optimizer],
        steps=recipe.steps,
        random=random,
        warmup=10,
        clip=math.inf,
        save_every=50,
    )
    for _ in loop:
        scenes = [random_scene(random) for _ in range(recipe.batch)]
        captions = [
            phrase(request_for(scene, "dense", random), "dense", random) for scene in scenes
        ]
        things = torch.tensor([things_of(scene) for scene in scenes], device=device)
        words = tokenizer(
            captions,
            max_length=MAX_TOKENS,
            padding="max_length",
            truncation=True,
            return_tensors="pt",
        ).input_ids
        sequence = t5(words.to(device)).last_hidden_state
        places = cast("nn.Embedding", parts["places"]).weight.expand(len(scenes), -1, -1)
        found, _ = parts["look"](places, sequence, sequence, need_weights=False)
        told = [parts[name](found) for name in _ASKED]
        losses = [
            functional.cross_entropy(logits.flatten(0, 1), things[..., n].flatten())
            for n, logits in enumerate(told)
        ]
        loss = cast("Tensor", sum(losses))
        right = torch.stack([logits.argmax(-1) for logits in told], dim=-1) == things
        exact = right.flatten(1).all(dim=1).float().mean().item()
        loop.update(loss, loss=loss.item(), exact=exact)
    return t5
