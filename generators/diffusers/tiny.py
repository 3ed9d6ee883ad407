"""Pipelines of the families with random weights of a few thousand numbers, for dry runs and tests.

No file is read: the tokenizers work on bytes and are made here, the weights come from a seed.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    FluxKontextPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
    QwenImageEditPipeline,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen2VLProcessor,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

__all__ = [
    "TINY", "build_tiny", "clip_config", "clip_tokenizer", "flux", "qwen", "qwen_tokenizer", "sd3",
    "t5_encoder", "t5_tokenizer", "vae",
]  # fmt: skip

BYTES: Final = sorted(ByteLevel.alphabet())
CHAT: Final = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def clip_tokenizer() -> CLIPTokenizer:
    """Bytes, each a token."""
    words = ["<|startoftext|>", "<|endoftext|>", *BYTES, *(f"{byte}</w>" for byte in BYTES)]
    vocab = {word: index for index, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def t5_tokenizer() -> T5Tokenizer:
    """Printable characters, each a token."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    letters = [(character, -2.0) for character in ["▁", *string.printable.strip()]]
    return T5Tokenizer(vocab=special + letters, extra_ids=0, model_max_length=512)


def qwen_tokenizer() -> Qwen2Tokenizer:
    """Bytes, each a token, and the special ones of Qwen-VL."""
    special = [
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ]
    vocab = {word: index for index, word in enumerate([*BYTES, *special])}
    return Qwen2Tokenizer(
        vocab=vocab,
        merges=[],
        additional_special_tokens=special[1:],
        chat_template=CHAT,
        model_max_length=4096,
    )


class _ImageProcessor(Qwen2VLProcessor):
    """The real thing without its video part, which needs torchvision."""

    def check_argument_for_proper_class(self, argument_name: str, argument: object) -> type:
        """Anything will do."""
        del argument_name
        return type(argument)


def clip_config(tokenizer: PreTrainedTokenizerFast) -> CLIPTextConfig:
    """Of an encoder of width 32."""
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=32,
        max_position_embeddings=77,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def t5_encoder(tokenizer: T5Tokenizer) -> T5EncoderModel:
    """Of width 32."""
    return T5EncoderModel(
        T5Config(vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    )


def vae(channels: int = 4, blocks: int = 2, **config: Any) -> AutoencoderKL:
    """An autoencoder of images, which halves their sides `blocks` - 1 times."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=(8,) * blocks,
        latent_channels=channels,
        norm_num_groups=4,
        **{"scaling_factor": 1.5, "shift_factor": 0.1} | config,
    )


def flux(pipeline: type[Any] = FluxPipeline, *, guidance_embeds: bool = True) -> Any:
    """A pipeline of FLUX.1."""
    one, two = clip_tokenizer(), t5_tokenizer()
    return pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae(4, 2),
        text_encoder=CLIPTextModel(clip_config(one)),
        tokenizer=one,
        text_encoder_2=t5_encoder(two),
        tokenizer_2=two,
        transformer=FluxTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=guidance_embeds,
        ),
    )


def qwen(pipeline: type[Any] = QwenImagePipeline) -> Any:
    """A pipeline of Qwen-Image."""
    tokenizer = qwen_tokenizer()
    ids = tokenizer.get_vocab()
    encoder = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "rope_parameters": {
                    "mrope_section": [1, 1, 2],
                    "rope_type": "default",
                    "rope_theta": 1000000.0,
                },
                "vocab_size": len(tokenizer),
                "bos_token_id": 0,
                "eos_token_id": 1,
            },
            vision_config={
                "depth": 2,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_heads": 2,
                "out_hidden_size": 16,
                "patch_size": 14,
            },
            vision_start_token_id=ids["<|vision_start|>"],
            vision_end_token_id=ids["<|vision_end|>"],
            image_token_id=ids["<|image_pad|>"],
            video_token_id=ids["<|video_pad|>"],
        )
    )
    components: dict[str, Any] = {}
    if pipeline is not QwenImagePipeline:
        pictures = Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=112 * 112)
        components["processor"] = _ImageProcessor(  # type: ignore[no-untyped-call]
            image_processor=pictures, tokenizer=tokenizer, video_processor=None
        )
    return pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=AutoencoderKLQwenImage(
            base_dim=12,
            z_dim=4,
            dim_mult=[1, 2],
            num_res_blocks=1,
            temperal_downsample=[False],
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ),
        text_encoder=encoder,
        tokenizer=tokenizer,
        transformer=QwenImageTransformer2DModel(
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(4, 4, 8),
        ),
        **components,
    )


def sd3() -> Any:
    """A pipeline of Stable Diffusion 3."""
    one, two = clip_tokenizer(), t5_tokenizer()
    return StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae(4, 2),
        text_encoder=CLIPTextModelWithProjection(clip_config(one)),
        tokenizer=one,
        text_encoder_2=CLIPTextModelWithProjection(clip_config(one)),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5_encoder(two),
        tokenizer_3=two,
        transformer=SD3Transformer2DModel(
            sample_size=32,
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            joint_attention_dim=32,
            caption_projection_dim=32,
            pooled_projection_dim=64,
        ),
    )


TINY: Final[Mapping[str, Callable[[], Any]]] = {
    "StableDiffusion3Pipeline": sd3,
    "FluxPipeline": flux,
    "FluxKontextPipeline": lambda: flux(FluxKontextPipeline),
    "QwenImagePipeline": qwen,
    "QwenImageEditPipeline": lambda: qwen(QwenImageEditPipeline),
}


def build_tiny(name: str, builders: Mapping[str, Callable[[], Any]] = TINY) -> Any:
    """A pipeline of class `name` with weights from seed 0, on the CPU, in float32."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline = builders[name]()
        denoiser = getattr(pipeline, "transformer", None) or pipeline.unet
        for weight in denoiser.parameters():
            if weight.ndim > 1:  # enough gain that prompt and source can be seen in the image
                torch.nn.init.normal_(weight, std=2 / weight[0].numel() ** 0.5)
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            component.eval()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
