"""A Qwen3-VL model that is small enough for a CPU and says the same thing every time.

It has the architecture, the special tokens and the files of the released critics, and random
weights, so that a real vLLM server loads it and answers image requests. One thing is not random:
the output layer is the embedding turned by one place, so that the model recites its vocabulary in
order, from the line break that ends every prompt to the end token, and stops. With a random output
layer it would repeat itself until the token limit.

    python tests/vllm/tiny_qwen3_vl.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from transformers import PreTrainedTokenizerFast, Qwen3VLForConditionalGeneration

__all__ = ["RECITAL", "save_tiny_qwen3_vl"]

_BYTES: Final = [*range(128, 256), *range(128)]
_SPECIAL: Final = [
    "<|im_end|>",
    "<|im_start|>",
    "<|endoftext|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]

RECITAL: Final = bytes(range(ord("\n") + 1, 128)).decode()
"""What the model answers to everything: the ASCII bytes after the line break, one token each."""

_CHAT_TEMPLATE: Final = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' or 'image' in part or 'image_url' in part -%}
<|vision_start|><|image_pad|><|vision_end|>
{%- elif 'text' in part -%}
{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}
"""

_IMAGES: Final = {
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "size": {"shortest_edge": 32 * 32, "longest_edge": 256 * 256},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "Qwen3VLProcessor",
}


def save_tiny_qwen3_vl(folder: Path, seed: int = 0) -> None:
    """Write the model, its tokenizer and its processor's settings to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    _model(tokenizer, seed).save_pretrained(folder)
    for name, kind in (
        ("preprocessor_config.json", {"image_processor_type": "Qwen2VLImageProcessor"}),
        ("video_preprocessor_config.json", {"video_processor_type": "Qwen3VLVideoProcessor"}),
    ):
        (folder / name).write_text(json.dumps(_IMAGES | kind, indent=2))


def _tokenizer() -> PreTrainedTokenizerFast:
    """One token per byte: a byte-level BPE without merges."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters: dict[int, str] = bytes_to_unicode()  # type: ignore[no-untyped-call]
    vocabulary = {letters[byte]: index for index, byte in enumerate(_BYTES)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(_SPECIAL)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=_CHAT_TEMPLATE,
        model_max_length=40960,
    )


def _model(tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen3VLForConditionalGeneration:
    import torch
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    token = tokenizer.get_vocab()
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(token),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 64,
            "max_position_embeddings": 40960,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [12, 10, 10],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 2,
            "out_hidden_size": 128,
            "num_position_embeddings": 256,
            "deepstack_visual_indexes": [0],
        },
        image_token_id=token["<|image_pad|>"],
        video_token_id=token["<|video_pad|>"],
        vision_start_token_id=token["<|vision_start|>"],
        vision_end_token_id=token["<|vision_end|>"],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3VLForConditionalGeneration(config)
        # The embedding outweighs what the layers (0.02) add to it, so the last token decides.
        embedding = torch.randn(len(token), 128)
    weights = model.state_dict()
    weights["model.language_model.embed_tokens.weight"].copy_(embedding)
    weights["lm_head.weight"].copy_(embedding.roll(1, dims=0))
    model.generation_config.eos_token_id = token["<|im_end|>"]
    return model


if __name__ == "__main__":
    save_tiny_qwen3_vl(Path(sys.argv[1]))
