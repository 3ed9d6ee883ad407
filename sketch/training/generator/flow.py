"""Train the sketch generator by flow matching, in plain sight.

What: a `FluxTransformer2DModel` of five million parameters with tiny T5 and CLIP encoders, all from
nothing, on the latents of a frozen autoencoder. x_t = (1 - t) x0 + t e; the model sees x_t, t and
the caption and learns the velocity e - x0 (rectified flow, arXiv 2209.03003). In a quarter of the
steps it edits: the source's clean tokens follow the noisy ones, with 1 as their first position,
which is what `FluxKontextPipeline` does with the same transformer.

Differs from the big recipes: the scene behind each picture is known, so that a throw-away head
reads from the image tokens, after the double blocks, what their place holds. This is the idea of
REPA (arXiv 2410.06940) with labels for features: it teaches which words belong to which place long
before the picture loss would.

Run: `rr-refine train sketch --only flow`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import cast

import torch
from diffusers import AutoencoderTiny, FluxTransformer2DModel
from torch import Tensor, nn
from transformers import T5EncoderModel

from rr_refine.sketch.training.generator.model import FlowModel, FlowRecipe, build_flow_model
from rr_refine.sketch.training.generator.pool import GRID, LABELS, FlowBatch, Pool
from rr_refine.training.loop import TrainingLoop, muon_and_adamw, pick_device

__all__ = ["train_flow"]


class _LabelHead:
    """Reads from the image tokens, after the double blocks, what their place holds."""

    def __init__(self, transformer: FluxTransformer2DModel, width: int) -> None:
        from torch import nn

        self.layers = nn.ModuleDict({name: nn.Linear(width, n) for name, n in LABELS.items()})
        self._tokens: Tensor | None = None
        block = transformer.transformer_blocks[-1]
        self.hook = block.register_forward_hook(self._keep)

    def _keep(self, _block: nn.Module, _inputs: object, outputs: tuple[Tensor, Tensor]) -> None:
        self._tokens = outputs[1]

    def loss(self, labels: dict[str, Tensor]) -> Tensor:
        from torch.nn import functional

        assert self._tokens is not None
        tokens = self._tokens[:, : GRID * GRID]
        losses = [
            functional.cross_entropy(layer(tokens).flatten(0, 1), labels[name].flatten())
            for name, layer in self.layers.items()
        ]
        return cast("Tensor", sum(losses))


def train_flow(
    folder: Path,
    autoencoder: AutoencoderTiny,
    recipe: FlowRecipe,
    t5: T5EncoderModel | None = None,
    device: str = "auto",
) -> FlowModel:
    """Train, or go on training, in `folder`; returns the averaged model in evaluation mode.

    The autoencoder is frozen; its config has the scale and shift of latents. The T5 encoder starts
    as a copy of `t5` (see `train_binding`), or untrained.
    """
    device = pick_device(device)
    torch.manual_seed(recipe.seed)
    model = build_flow_model(recipe)
    if t5 is not None:
        model.t5.load_state_dict(t5.state_dict())
    head = _LabelHead(model.transformer, recipe.width)
    live = nn.ModuleDict({"model": model.modules(), "head": head.layers}).to(device).train()
    forward = torch.compile(model.transformer) if recipe.compile else model.transformer
    muon, adamw = recipe.learning_rates
    random = Random(recipe.seed * 1_000_003)  # far from the seeds of exams and benchmarks
    loop = TrainingLoop(
        folder / "flow.pt",
        live,
        muon_and_adamw(live, _in_hidden_layer, muon=muon, adamw=adamw),
        steps=recipe.steps,
        random=random,
        decay=recipe.average,
        save_every=recipe.save_every,
    )
    pool = Pool(autoencoder.to(device), random, size=recipe.pool)
    pool.renew(recipe.first_pool if loop.step == 0 else recipe.first_pool * 4)
    scale, shift = autoencoder.config.scaling_factor, autoencoder.config.shift_factor
    for step in loop:
        edits = random.random() < recipe.edit_share
        size = recipe.edit_batch if edits else recipe.batch
        batch = pool.draw_batch(size, edits=edits, caption_dropout=recipe.caption_dropout)
        clean = (batch.latents.to(device) - shift) * scale
        noise = torch.randn_like(clean)
        # Logit-normal times (Stable Diffusion 3, arXiv 2403.03206), more of them noisy: what the
        # words decide is decided early.
        t = torch.sigmoid(torch.randn(size, device=device) * 1.2 + 0.3)
        noisy = torch.lerp(clean, noise, t[:, None, None])
        velocity = _velocity(model, forward, noisy, t, batch, device, scale, shift)
        flow_loss = (velocity - (noise - clean)).square().mean()
        label_loss = head.loss({name: value.to(device) for name, value in batch.labels.items()})
        measured = {"edit" if edits else "flow": flow_loss.item(), "label": label_loss.item()}
        loop.update(flow_loss + recipe.label_weight * label_loss, **measured)
        if step % 4 == 0:
            pool.renew(recipe.renewed)
    loop.finish()
    head.hook.remove()
    live.cpu()
    return model


def _in_hidden_layer(name: str) -> bool:
    """Of a transformer block, but not its modulation, nor a bias by position."""
    layer = "blocks." in name or ".block." in name
    return layer and ".norm" not in name and "relative_attention_bias" not in name


def _velocity(
    model: FlowModel,
    forward: Callable[..., object],
    noisy: Tensor,
    t: Tensor,
    batch: FlowBatch,
    device: str,
    scale: float,
    shift: float,
) -> Tensor:
    """The model's velocity at the noisy tokens, (B, 64, 32)."""
    sequence, pooled = model.embed(batch.captions, device)
    tokens, places = noisy, _places(0, device)
    if batch.sources is not None:
        sources = (batch.sources.to(device) - shift) * scale
        tokens = torch.cat([noisy, sources], dim=1)
        places = torch.cat([places, _places(1, device)])
    output = forward(
        hidden_states=tokens,
        encoder_hidden_states=sequence,
        pooled_projections=pooled,
        timestep=t,
        img_ids=places,
        txt_ids=torch.zeros(sequence.shape[1], 3, device=device),
        return_dict=False,
    )
    return cast("tuple[Tensor]", output)[0][:, : GRID * GRID]


def _places(picture: int, device: str) -> Tensor:
    """(64, 3): which picture, row and column; `FluxKontextPipeline` counts the source as 1."""
    rows, columns = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    stacked = torch.stack([torch.full_like(rows, picture), rows, columns], dim=-1)
    return stacked.reshape(-1, 3).float().to(device)
