"""The parts of the sketch generator that flow matching trains, all of stock classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from rr_refine.sketch.training.generator.autoencoder import LATENT_CHANNELS
from rr_refine.sketch.training.generator.text import (
    MAX_TOKENS,
    build_clip,
    build_clip_tokenizer,
    build_t5,
    build_t5_tokenizer,
)

if TYPE_CHECKING:
    from diffusers import FluxTransformer2DModel
    from torch import Tensor, nn
    from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5Tokenizer

__all__ = ["FlowModel", "FlowRecipe", "build_flow_model"]

CLIP_WIDTH = 64


@dataclass(frozen=True, slots=True)
class FlowRecipe:
    """What to train, and how long."""

    steps: int = 20_000
    batch: int = 64
    edit_batch: int = 40
    """Edits have nearly twice the tokens."""
    edit_share: float = 0.25
    caption_dropout: float = 0.1
    learning_rates: tuple[float, float] = (2e-3, 1e-3)
    """Peaks of Muon (matrices of the layers) and AdamW (all else)."""
    label_weight: float = 0.3
    """Weight of the throw-away head's cross-entropy beside the flow loss."""
    pool: int = 60_000
    first_pool: int = 4_096
    renewed: int = 32
    """Scenes drawn and encoded every fourth step."""
    width: int = 192
    heads: int = 3
    double_layers: int = 2
    single_layers: int = 4
    text_layers: int = 3
    average: float = 0.995
    seed: int = 2
    device: str = "auto"
    compile: bool = True
    save_every: int = 250


@dataclass(frozen=True, slots=True)
class FlowModel:
    """The trained parts, as stock classes."""

    transformer: FluxTransformer2DModel
    t5: T5EncoderModel
    clip: CLIPTextModel
    t5_tokenizer: T5Tokenizer
    clip_tokenizer: CLIPTokenizer

    def modules(self) -> nn.ModuleDict:
        """All weights in one module."""
        from torch import nn

        parts = {"transformer": self.transformer, "t5": self.t5, "clip": self.clip}
        return nn.ModuleDict(cast("dict[str, nn.Module]", parts))

    def embed(self, captions: list[str], device: str) -> tuple[Tensor, Tensor]:
        """Sequence (B, 40, W) and pooled (B, 64) embeddings, made as `FluxPipeline` makes them."""
        pad = {"padding": "max_length", "truncation": True, "return_tensors": "pt"}
        words = self.t5_tokenizer(captions, max_length=MAX_TOKENS, **pad).input_ids
        clip_words = self.clip_tokenizer(captions, **pad).input_ids
        sequence = self.t5(words.to(device)).last_hidden_state
        return sequence, self.clip(clip_words.to(device)).pooler_output


def build_flow_model(recipe: FlowRecipe) -> FlowModel:
    """Untrained parts; the transformer starts as zero (its last layer and modulations)."""
    from diffusers import FluxTransformer2DModel
    from torch import nn

    t5_tokenizer, clip_tokenizer = build_t5_tokenizer(), build_clip_tokenizer()
    head = recipe.width // recipe.heads
    axis = head // 8 * 3
    transformer = FluxTransformer2DModel(
        in_channels=LATENT_CHANNELS * 4,
        num_layers=recipe.double_layers,
        num_single_layers=recipe.single_layers,
        attention_head_dim=head,
        num_attention_heads=recipe.heads,
        joint_attention_dim=recipe.width,
        pooled_projection_dim=CLIP_WIDTH,
        guidance_embeds=False,
        axes_dims_rope=(head - 2 * axis, axis, axis),
    )
    zeroed = [transformer.proj_out, transformer.norm_out.linear]
    for block in transformer.transformer_blocks:
        zeroed += [block.norm1.linear, block.norm1_context.linear]
    zeroed += [block.norm.linear for block in transformer.single_transformer_blocks]
    for layer in zeroed:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    return FlowModel(
        transformer=transformer,
        t5=build_t5(t5_tokenizer, recipe.width, recipe.text_layers),
        clip=build_clip(clip_tokenizer, CLIP_WIDTH),
        t5_tokenizer=t5_tokenizer,
        clip_tokenizer=clip_tokenizer,
    )
