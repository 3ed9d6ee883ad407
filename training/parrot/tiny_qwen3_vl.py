"""A random Qwen3-VL that trains on a CPU in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

__all__ = ["build_tiny_qwen3_vl"]

_CONTROL: Final = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def build_tiny_qwen3_vl(folder: Path, seed: int = 0) -> Any:
    """Save a random Qwen3-VL, and give its processor (a `ProcessorMixin`).

    The processor is Qwen's own: whole with torchvision, which its part for videos needs, and less
    that part without. Tokens are bytes.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        PreTrainedTokenizerFast,
        ProcessorMixin,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
    )
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
    from transformers.utils.import_utils import is_torchvision_available

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    numbers = {token: number for number, token in enumerate([*letters, *_CONTROL])}
    by_bytes = Tokenizer(models.BPE(vocab=numbers, merges=[]))
    by_bytes.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    by_bytes.decoder = decoders.ByteLevel()
    by_bytes.add_special_tokens(list(_CONTROL))
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=by_bytes, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )

    class WithoutVideos(Qwen3VLProcessor):
        def __init__(self, image_processor: Any, tokenizer: Any, chat_template: Any = None) -> None:
            self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
            self.image_token_id = numbers[self.image_token]
            self.video_token_id = numbers[self.video_token]
            ProcessorMixin.__init__(  # type: ignore[no-untyped-call]
                self, image_processor, tokenizer, chat_template=chat_template
            )

    WithoutVideos.__name__ = Qwen3VLProcessor.__name__  # it is written into the folder
    patches: dict[str, Any] = {"patch_size": 16, "temporal_patch_size": 2, "merge_size": 2}
    size = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
    template = _chat_template()
    processor: ProcessorMixin
    if is_torchvision_available():
        from transformers import Qwen2VLImageProcessor, Qwen3VLVideoProcessor

        images: Any = Qwen2VLImageProcessor(**patches, size=size)
        videos = Qwen3VLVideoProcessor(**patches)
        whole: Any = Qwen3VLProcessor
        processor = whole(images, tokenizer, videos, chat_template=template)
    else:
        images = Qwen2VLImageProcessorPil(**patches, size=size)
        processor = WithoutVideos(images, tokenizer, chat_template=template)
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(numbers),
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": 32768,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [4, 2, 2],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 64,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
        image_token_id=numbers["<|image_pad|>"],
        video_token_id=numbers["<|video_pad|>"],
        vision_start_token_id=numbers["<|vision_start|>"],
        vision_end_token_id=numbers["<|vision_end|>"],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return processor


def _chat_template() -> str:
    """Qwen3-VL's own, of which TRL carries a copy."""
    import trl

    return Path(trl.__path__[0], "chat_templates", "qwen3_vl.jinja").read_text("utf-8")
