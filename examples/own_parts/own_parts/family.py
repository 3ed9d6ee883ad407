"""A family for the generator `diffusers`: a pipeline class of one's own, and what it can do."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DDIMScheduler, DiffusionPipeline, ImagePipelineOutput, UNet2DModel

from own_parts.critic import TONES, asked_tones
from rr_refine.generators.diffusers.family import Family

__all__ = ["TonesPipeline", "tones_family"]


def tones_family() -> Family:
    """Entry point `TonesPipeline` of `rr_refine.families`: the name is that of the class."""
    return Family(
        tasks=frozenset({"t2i"}),
        defaults={"num_inference_steps": 2},
        pipeline="own_parts.family:TonesPipeline",
    )


class TonesPipeline(DiffusionPipeline):  # type: ignore[misc]  # diffusers has no types
    """Denoises without looking at the prompt, and then lays the first colour asked for over it."""

    def __init__(self, unet: UNet2DModel, scheduler: DDIMScheduler) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)

    @classmethod
    def tiny(cls) -> TonesPipeline:
        """One with random weights, for a first try."""
        torch.manual_seed(0)
        blocks: dict[str, Any] = {
            "down_block_types": ("DownBlock2D",),
            "up_block_types": ("UpBlock2D",),
            "block_out_channels": (8,),
            "norm_num_groups": 4,
            "layers_per_block": 1,
        }
        return cls(UNet2DModel(sample_size=32, **blocks), DDIMScheduler())

    @torch.no_grad()
    def __call__(
        self,
        prompt: str,
        width: int = 32,
        height: int = 32,
        num_inference_steps: int = 10,
        generator: torch.Generator | None = None,
    ) -> ImagePipelineOutput:
        """One picture. Sides are in pixels, and even."""
        latents = torch.randn((1, 3, height, width), generator=generator)
        self.scheduler.set_timesteps(num_inference_steps)
        for step in self.scheduler.timesteps:
            noise = self.unet(latents, step).sample
            latents = self.scheduler.step(noise, step, latents).prev_sample
        pixels = (latents / 2 + 0.5).clamp(0, 1)
        for tone in asked_tones(prompt)[:1]:
            pixels = 0.2 * pixels + 0.8 * torch.tensor(TONES[tone]).view(1, 3, 1, 1) / 255
        return ImagePipelineOutput(images=self.numpy_to_pil(pixels.permute(0, 2, 3, 1).numpy()))
