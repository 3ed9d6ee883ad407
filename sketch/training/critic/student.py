"""The critic's student: a SigLIP tower, a projector and a Llama decoder, put together as LLaVA."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SiglipVisionConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from rr_refine.sketch.training.critic.tokenizer import IMAGE, token_id
from rr_refine.sketch.world.drawing import SIDE

__all__ = [
    "IMAGE_TOKENS",
    "MAX_TOKENS",
    "PATCH",
    "StudentSize",
    "build_processor",
    "build_student",
    "pack_student",
    "save_student",
    "tower_config",
]

PATCH: Final = 16
"""Pixels, width and height."""
IMAGE_TOKENS: Final = (SIDE // PATCH) ** 2
"""Tokens that a picture takes in a prompt."""
MAX_TOKENS: Final = 2048
"""Prompt and answer together."""


@dataclass(frozen=True, slots=True)
class StudentSize:
    """Layers and widths. The default has 6.4 million parameters."""

    tower_layers: int = 5
    tower_width: int = 192
    tower_heads: int = 6
    decoder_layers: int = 5
    decoder_width: int = 256
    decoder_heads: int = 4


def tower_config(size: StudentSize) -> SiglipVisionConfig:
    """The configuration of the vision tower."""
    return SiglipVisionConfig(
        hidden_size=size.tower_width,
        intermediate_size=3 * size.tower_width,
        num_hidden_layers=size.tower_layers,
        num_attention_heads=size.tower_heads,
        image_size=SIDE,
        patch_size=PATCH,
        vision_use_head=False,
    )


def build_student(
    tokenizer: PreTrainedTokenizerFast, size: StudentSize | None = None
) -> LlavaForConditionalGeneration:
    """An untrained student for `tokenizer`."""
    size = size or StudentSize()
    decoder = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.decoder_width,
        intermediate_size=size.decoder_width * 11 // 4,
        num_hidden_layers=size.decoder_layers,
        num_attention_heads=size.decoder_heads,
        num_key_value_heads=size.decoder_heads,
        max_position_embeddings=MAX_TOKENS,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=tower_config(size),
            text_config=decoder,
            image_token_index=token_id(tokenizer, IMAGE),
            vision_feature_select_strategy="full",
            vision_feature_layer=-1,
            tie_word_embeddings=True,
        )
    )
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """What turns a chat with pictures into the student's inputs; it needs no torchvision."""
    return LlavaProcessor(  # type: ignore[no-untyped-call]
        image_processor=CLIPImageProcessorPil(
            size={"height": SIDE, "width": SIDE},
            do_center_crop=False,
            resample=2,
            image_mean=[0.5] * 3,
            image_std=[0.5] * 3,
        ),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="full",
        chat_template=tokenizer.chat_template,
    )


def save_student(
    folder: Path, model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Write a folder that the Auto classes of transformers and vLLM load.

    vLLM knows the tower's weights by the names that published models have: transformers reads those
    too, keeps them when it saves such a model again, but gives a model from nothing shorter ones.
    """
    build_processor(tokenizer).save_pretrained(folder)
    model.save_pretrained(folder)
    file = folder / "model.safetensors"
    weights = {
        re.sub(r"^vision_tower\.(?!vision_model\.)", "vision_tower.vision_model.", name): weight
        for name, weight in load_file(file).items()
    }
    save_file(weights, file, metadata={"format": "pt"})


def pack_student(trained: Path, folder: Path) -> None:
    """Copy a saved student with its weights in bfloat16, which halves it, to be shipped."""
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    file, config = folder / "model.safetensors", folder / "config.json"
    weights = {name: weight.to(torch.bfloat16) for name, weight in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    config.write_text(config.read_text("utf-8").replace('"float32"', '"bfloat16"'), "utf-8")
