"""A world of one colour a picture: a pipeline of 38,000 weights, and critics that like colours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
from PIL import Image
from torch import Tensor

from rr_refine.errors import CriticError
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.critique import Critique
from rr_refine.terms import Identity
from rr_refine.training.nft.config import NftRecipe
from rr_refine.training.nft.data import TrainingPrompt

__all__ = ["COLOURS", "ColourCritic", "StableDiffusion3Pipeline", "recipe", "rows", "toy"]

COLOURS = ("red", "green", "blue")
SIDE, SCALE, WIDTH = 4, 3.0, 16


class StableDiffusion3Pipeline:
    """What the stock pipeline is to a trainer, without encoders: its latents are its pictures."""

    def __init__(self, transformer: Any, embeddings: Tensor) -> None:
        self.transformer, self.embeddings = transformer, embeddings
        self.scheduler = FlowMatchEulerDiscreteScheduler()
        self.components = {"transformer": transformer}

    def to(self, _device: object) -> StableDiffusion3Pipeline:
        return self

    def set_progress_bar_config(self, **_: object) -> None:
        pass

    def __call__(
        self,
        prompt: list[str],
        generator: list[torch.Generator],
        num_inference_steps: int,
        callback_on_step_end: Any,
        **_: object,
    ) -> Any:
        words = self.embeddings[[COLOURS.index(one) for one in prompt]]
        x = torch.cat([torch.randn(1, 3, SIDE, SIDE, generator=one) for one in generator])
        self.scheduler.set_timesteps(num_inference_steps)
        for index, t in enumerate(self.scheduler.timesteps):
            v = self.transformer(
                hidden_states=x,
                timestep=t.expand(len(x)),
                encoder_hidden_states=words[:, None],
                pooled_projections=words,
                joint_attention_kwargs=None,
                return_dict=False,
            )[0]
            x = self.scheduler.step(v, t, x, return_dict=False)[0]
            callback_on_step_end(self, index, t, {"latents": x})
        return SimpleNamespace(images=[to_picture(one) for one in x])

    @classmethod
    def save_lora_weights(cls, folder: Any, transformer_lora_layers: dict[str, Tensor]) -> None:
        torch.save(transformer_lora_layers, folder / "lora.pt")


def to_picture(latent: Tensor) -> Image.Image:
    values = ((latent / SCALE + 1) * 127.5).clamp(0, 255).round().byte()
    return Image.fromarray(values.permute(1, 2, 0).numpy())


def colour_of(prompt: str, image: Image.Image) -> float:
    """How much of the wanted colour, less the others: in units of latents."""
    means = (np.asarray(image, dtype=np.float64).mean(axis=(0, 1)) / 127.5 - 1) * SCALE
    own = COLOURS.index(prompt)
    return float(means[own] - np.delete(means, own).mean())


class ColourCritic:
    """Likes the wanted colour; or, by `liking`, nothing in particular, or the opposite."""

    identity = Identity(kind="toy", name="colour")

    def __init__(self, liking: str = "own", faults: float = 0.0, error: Any = CriticError) -> None:
        self.liking, self.faults, self.error = liking, faults, error
        self.raw: list[float] = []
        self.failed = 0

    async def critique(self, request: CritiqueRequest) -> Assessment:
        raw = colour_of(request.prompt, request.image)
        self.raw.append(raw)
        noise = np.random.default_rng(
            np.frombuffer(request.image.tobytes(), dtype=np.uint8).astype(np.uint32)
        )
        if noise.random() < self.faults:
            self.failed += 1
            raise self.error("no")
        liked = {"own": raw, "opposite": -raw, "random": noise.normal()}[self.liking]
        score = float(np.clip(2.5 + 0.25 * liked, 1, 4))
        critique = Critique(
            task="t2i",
            scores={
                "text_faithfulness": score, "physical_quality": None, "text_rendering": None,
            },
            rationales=dict.fromkeys(("text_faithfulness", "physical_quality", "text_rendering")),
            raw=str(score),
        )  # fmt: skip
        return Assessment(critic=self.identity, critiques=(critique,))


def rows(each: int = 4) -> list[TrainingPrompt]:
    """So many rows of each colour: they are groups of their own."""
    return [TrainingPrompt(prompt=colour, kind=colour) for _ in range(each) for colour in COLOURS]


def recipe(**changes: Any) -> NftRecipe:
    """The settings of facts 1.6, made small."""
    fields: dict[str, Any] = {
        "model": "toy", "data": "toy", "device": "cpu", "precision": "float32",
        "critic": {"use": "toy"}, "groups": 12, "images": 12, "steps": 6, "batch": 144,
        "rank": 8, "alpha": 16, "learning_rate": 5e-3, "timesteps": 4, "micro_batch": 600,
        "updates": 2, "kl_coef": 0, "flat_below": 0.0, "epochs": 25, "overlap": False,
        "concurrency": 200, "average": 0.0, "patience": 0.0, "old_decay": 0.0, "evaluate_every": 25,
    }  # fmt: skip
    return NftRecipe.model_validate(fields | changes)


def toy() -> StableDiffusion3Pipeline:
    """The pipeline, which has learnt to draw any one colour, whatever it is told."""
    state, embeddings = _pretrained()
    transformer = _transformer()
    transformer.load_state_dict(state)
    return StableDiffusion3Pipeline(transformer, embeddings)


def _transformer() -> Any:
    torch.manual_seed(0)
    return SD3Transformer2DModel(
        sample_size=SIDE,
        patch_size=1,
        in_channels=3,
        out_channels=3,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=WIDTH,
        caption_projection_dim=32,
        pooled_projection_dim=WIDTH,
        pos_embed_max_size=SIDE,
    )


@cache
def _pretrained(steps: int = 150) -> tuple[dict[str, Tensor], Tensor]:
    with torch.random.fork_rng():
        transformer = _transformer()
        torch.manual_seed(1)
        embeddings = torch.randn(len(COLOURS), WIDTH)
        optimizer = torch.optim.AdamW(transformer.parameters(), lr=3e-3)
        for _ in range(steps):
            clean = torch.randn(64, 3, 1, 1).expand(64, 3, SIDE, SIDE)
            noise, t = torch.randn_like(clean), torch.rand(64)
            words = embeddings[torch.randint(len(COLOURS), (64,))]
            across = t[:, None, None, None]
            v = transformer(
                hidden_states=(1 - across) * clean + across * noise,
                timestep=1000 * t,
                encoder_hidden_states=words[:, None],
                pooled_projections=words,
            ).sample
            (v - (noise - clean)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    return {name: value.clone() for name, value in transformer.state_dict().items()}, embeddings


def gain_of(raw: Sequence[float], each: int) -> float:
    """Mean of the last five epochs less that of the first five."""
    return float(np.mean(raw[-5 * each :]) - np.mean(raw[: 5 * each]))
