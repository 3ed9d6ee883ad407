"""A CLIP model with random weights, small enough to load in a second."""

from __future__ import annotations

from pathlib import Path

__all__ = ["build_tiny_clip"]


def build_tiny_clip(folder: Path, *, seed: int = 0, longest: int = 77) -> Path:
    """Save model and processor in `folder`.

    Args:
        longest: the most tokens of a text.
    """
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor, CLIPVisionConfig
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    from rr_refine.generators.diffusers.tiny import clip_config, clip_tokenizer

    tokenizer = clip_tokenizer()
    side = 32
    images = CLIPImageProcessorPil(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    )
    CLIPProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)  # type: ignore[no-untyped-call]
    text = clip_config(tokenizer)
    text.max_position_embeddings = longest
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=side,
        patch_size=8,
    )
    torch.manual_seed(seed)
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16
    )
    model = CLIPModel(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:  # so large that the number depends on what is asked
                weight.mul_(8)
    model.save_pretrained(folder)
    return folder
