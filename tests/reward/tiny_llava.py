"""A LLaVA-architecture model with random weights, small enough to load and babble in a second."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CHAT_TEMPLATE", "build_tiny_llava"]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def build_tiny_llava(folder: Path, *, ends: bool | None = False, max_length: int = 32768) -> Path:
    """Save model and processor in `folder`, for the Auto classes.

    Args:
        ends: every token ends the answer, so that the answer is empty, or none ever does; None: one
            token does, as in other models.
        max_length: the most tokens, question and answer together.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
        SiglipVisionConfig,
    )
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    special = ["<pad>", "<image>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*special, *letters])}
    bytes_only = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bytes_only.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bytes_only,
        pad_token="<pad>",
        eos_token="<|end|>",
        extra_special_tokens=["<image>", "<|system|>", "<|user|>", "<|assistant|>"],
    )
    size, patch = 32, 16
    processor = LlavaProcessor(  # type: ignore[no-untyped-call]
        image_processor=CLIPImageProcessorPil(
            size={"height": size, "width": size}, do_center_crop=False, resample=2
        ),
        tokenizer=tokenizer,
        patch_size=patch,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
    )
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=SiglipVisionConfig(
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                image_size=size,
                patch_size=patch,
                vision_use_head=False,
            ),
            text_config=LlamaConfig(
                vocab_size=len(vocabulary),
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                num_key_value_heads=2,
                initializer_range=1.0,  # so large that answers depend on what is asked
                max_position_embeddings=max_length,
                pad_token_id=vocabulary["<pad>"],
                eos_token_id=vocabulary["<|end|>"],
                bos_token_id=None,
            ),
            image_token_index=vocabulary["<image>"],
            vision_feature_select_strategy="full",
            vision_feature_layer=-1,
        )
    )
    never = len(vocabulary)  # no such token
    end = [vocabulary["<|end|>"]] if ends is None else [never]
    model.generation_config.eos_token_id = list(range(len(vocabulary))) if ends else end
    model.generation_config.pad_token_id = vocabulary["<pad>"]
    processor.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder
