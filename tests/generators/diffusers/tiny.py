"""Real pipelines with random weights of a few thousand numbers: everything but the knowledge.

No file is read: the tokenizers work on bytes and are made here, the weights come from a seed.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

from diffusers import (
    AutoencoderDC,
    AutoencoderKLFlux2,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    FluxImg2ImgPipeline,
    FluxKontextPipeline,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    SanaPipeline,
    SanaTransformer2DModel,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from rr_refine.generators.diffusers.tiny import (
    build_tiny,
    clip_config,
    clip_tokenizer,
    flux,
    qwen,
    qwen_tokenizer,
    sd3,
    t5_encoder,
    t5_tokenizer,
    vae,
)

__all__ = ["PIPELINES", "build"]


def gemma_tokenizer() -> GemmaTokenizer:
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *string.printable.strip()]
    vocab = {word: index for index, word in enumerate(words)}
    return GemmaTokenizer(vocab=vocab, merges=[], model_max_length=512)


def klein() -> Any:
    tokenizer = qwen_tokenizer()
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=AutoencoderKLFlux2(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(8, 8),
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=4,
        ),
        text_encoder=Qwen3ForCausalLM(qwen3_config(len(tokenizer), layers=28)),
        tokenizer=tokenizer,
        transformer=Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=48,
            timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
        is_distilled=False,
    )


def qwen3_config(vocabulary: int, layers: int) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
    )


def z_image() -> Any:
    tokenizer = qwen_tokenizer()
    return ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae(4, 2),
        text_encoder=Qwen3ForCausalLM(qwen3_config(len(tokenizer), layers=2)).model,
        tokenizer=tokenizer,
        transformer=ZImageTransformer2DModel(
            in_channels=4,
            dim=32,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=16,
            axes_dims=[8, 4, 4],
            axes_lens=[1024, 64, 64],
        ),
    )


def sana() -> Any:
    tokenizer = gemma_tokenizer()
    return SanaPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=AutoencoderDC(
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=("ResBlock", "EfficientViTBlock"),
            decoder_block_types=("ResBlock", "EfficientViTBlock"),
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), (5,)),
            decoder_qkv_multiscales=((), (5,)),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1),
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            decoder_norm_types="rms_norm",
            decoder_act_fns="silu",
        ),
        text_encoder=Gemma2Model(
            Gemma2Config(
                vocab_size=len(tokenizer),
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
            )
        ),
        tokenizer=tokenizer,
        transformer=SanaTransformer2DModel(
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=4,
            num_cross_attention_heads=2,
            cross_attention_head_dim=4,
            cross_attention_dim=8,
            caption_channels=16,
            sample_size=32,
        ),
    )


def pixart(pipeline: type[Any] = PixArtSigmaPipeline) -> Any:
    tokenizer = t5_tokenizer()
    return pipeline(
        scheduler=ddim(),
        vae=vae(4, 2, shift_factor=None),
        text_encoder=t5_encoder(tokenizer),
        tokenizer=tokenizer,
        transformer=PixArtTransformer2DModel(
            sample_size=32,
            num_layers=1,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=2,
            caption_channels=32,
            cross_attention_dim=16,
            in_channels=4,
            out_channels=8,
            use_additional_conditions=False,
        ),
    )


def ddim() -> DDIMScheduler:
    return DDIMScheduler(steps_offset=1, clip_sample=False)


def unet(channels: int, **config: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=32,
        in_channels=channels,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        **{"cross_attention_dim": 32} | config,
    )


def sd(pipeline: type[Any] = StableDiffusionPipeline, channels: int = 4) -> Any:
    tokenizer = clip_tokenizer()
    return pipeline(
        scheduler=ddim(),
        vae=vae(4, 2, shift_factor=None),
        text_encoder=CLIPTextModel(clip_config(tokenizer)),
        tokenizer=tokenizer,
        unet=unet(channels),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl() -> Any:
    tokenizer = clip_tokenizer()
    return StableDiffusionXLPipeline(
        scheduler=ddim(),
        vae=vae(4, 2, shift_factor=None),
        text_encoder=CLIPTextModel(clip_config(tokenizer)),
        tokenizer=tokenizer,
        text_encoder_2=CLIPTextModelWithProjection(clip_config(tokenizer)),
        tokenizer_2=clip_tokenizer(),
        unet=unet(
            4,
            cross_attention_dim=64,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=80,
        ),
    )


PIPELINES: dict[str, Callable[[], Any]] = {
    "FluxPipeline": flux,
    "FluxKontextPipeline": lambda: flux(FluxKontextPipeline),
    "FluxImg2ImgPipeline": lambda: flux(FluxImg2ImgPipeline),
    "Flux2KleinPipeline": klein,
    "QwenImagePipeline": qwen,
    "QwenImageEditPipeline": lambda: qwen(QwenImageEditPipeline),
    "QwenImageEditPlusPipeline": lambda: qwen(QwenImageEditPlusPipeline),
    "StableDiffusion3Pipeline": sd3,
    "ZImagePipeline": z_image,
    "SanaPipeline": sana,
    "PixArtAlphaPipeline": lambda: pixart(PixArtAlphaPipeline),
    "PixArtSigmaPipeline": pixart,
    "StableDiffusionPipeline": sd,
    "StableDiffusionXLPipeline": sdxl,
    "StableDiffusionInstructPix2PixPipeline": lambda: sd(
        StableDiffusionInstructPix2PixPipeline, channels=8
    ),
}


def build(name: str) -> Any:
    """A pipeline of class `name` with weights from seed 0, on the CPU, in float32."""
    return build_tiny(name, PIPELINES)
