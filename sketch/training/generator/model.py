"""The parts of the sketch generator that flow matching trains, all of stock classes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from diffusers import FluxTransformer2DModel
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from rr_refine.sketch.generator import MAX_TOKENS
from rr_refine.sketch.training.generator.autoencoder import LATENT_CHANNELS
from rr_refine.sketch.world.edit import KEEP_REST
from rr_refine.sketch.world.phrasing import VOCABULARY
from rr_refine.sketch.world.scene import PLACES, SIZES, WORDS

__all__ = [
    "FlowModel",
    "FlowRecipe",
    "build_clip",
    "build_clip_tokenizer",
    "build_flow_model",
    "build_t5",
    "build_t5_tokenizer",
]

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


CLIP_TOKENS: Final = 77
"""Stock pipelines take CLIP's length from the tokenizer; CLIP's own is 77."""

_LOOK: Final = 6.0
"""What a head's distance is preferred by, before training: e^6 = 400 times. After 4,267 steps of a
flow model from the usual start, a probe read 60 % of the kinds at their places from the T5's
output; trained with it from this start, it read all of them after 150 steps."""

_MARKS: Final = ";,.?!\"'-"
_PHRASES: Final = (
    *(f"at the {place}" for place in PLACES),
    *(f"to the {place}" for place in PLACES),
    *(f"; a {size}" for size in SIZES),
    f"; {KEEP_REST}",
    "in all",
)


def build_t5_tokenizer() -> T5Tokenizer:
    """Whole words, phrases as added tokens, and single letters for words of other worlds."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    words = [(f"▁{word}", -1.0) for word in (*sorted(VOCABULARY), *WORDS)]
    marks = [(mark, -1.5) for mark in (*_MARKS, "▁;")]
    letters = [(chr(code), -10.0) for code in range(33, 127) if chr(code) not in _MARKS]
    tokenizer = T5Tokenizer(
        vocab=[*special, *words, *marks, ("▁", -10.0), *letters],
        extra_ids=0,
        model_max_length=512,
    )
    tokenizer.add_tokens([AddedToken(p, single_word=p[0] != ";", lstrip=True) for p in _PHRASES])
    return tokenizer


def build_clip_tokenizer() -> CLIPTokenizer:
    """CLIP's byte pairs, merged until every word of the sketch world is one token."""
    special = ["<|startoftext|>", "<|endoftext|>"]
    suffix = "</w>"
    trained = Tokenizer(models.BPE(end_of_word_suffix=suffix))
    trained.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=100_000,
        min_frequency=1,
        special_tokens=[*special, *letters, *(letter + suffix for letter in letters)],
        initial_alphabet=letters,
        end_of_word_suffix=suffix,
        show_progress=False,
    )
    trained.train_from_iterator(sorted(VOCABULARY), trainer)
    learnt = json.loads(trained.to_str())["model"]
    pairs: Any = [tuple(merge) for merge in learnt["merges"]]  # its type says list[str]
    return CLIPTokenizer(
        vocab=learnt["vocab"],
        merges=pairs,
        model_max_length=CLIP_TOKENS,
    )


def build_t5(tokenizer: T5Tokenizer, width: int, layers: int) -> T5EncoderModel:
    """An untrained encoder of `width`, in heads of 32, each looking back by another distance.

    The transformer knows no order of words, so that what belongs to "the top left" must be bound to
    it here, some words further on. From the usual start, biases of about zero, training takes ages
    to find that out: colours and kinds trade places. See `_LOOK`.
    """
    model = T5EncoderModel(
        T5Config(
            vocab_size=-(-len(tokenizer) // 8) * 8,
            d_model=width,
            d_kv=32,
            num_heads=width // 32,
            d_ff=width * 3,
            num_layers=layers,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    encoder: Any = model.encoder
    bias = encoder.block[0].layer[0].SelfAttention.relative_attention_bias
    with torch.no_grad():
        bias.weight.zero_()
        for head in range(bias.weight.shape[1]):
            bias.weight[head + 1, head] = _LOOK  # bucket n holds the words n places before
    return model


def build_clip(tokenizer: CLIPTokenizer, width: int = 64) -> CLIPTextModel:
    """An untrained encoder of one layer; its pooled vector only steers the modulation."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=-(-len(tokenizer) // 8) * 8,
            hidden_size=width,
            intermediate_size=width * 2,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=CLIP_TOKENS,
            projection_dim=width,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
