"""The student: a critic's model on its way into a training and out of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rr_refine.errors import ConfigError
from rr_refine.hub import loaded
from rr_refine.reward.local_model import load_processor
from rr_refine.training.parrot.recipe import SftRecipe

if TYPE_CHECKING:
    import torch

__all__ = [
    "adapters",
    "control_tokens",
    "count_weights",
    "freeze",
    "limit_pixels",
    "load_student",
    "merge_adapter",
]

_PROJECTOR: Final = re.compile(r"(multi_modal_projector|visual\.(merger|deepstack_merger_list))\.")
_TOWER: Final = re.compile(r"(vision_tower|visual)\.")


def load_student(recipe: SftRecipe) -> tuple[Any, Any]:
    """The recipe's model, in the precision that it is trained in, and its processor.

    Raises:
        ConfigError: there is no such model, or transformers cannot load it as a critic.
    """
    import torch
    from transformers import AutoModelForImageTextToText

    # Adapters are trained on top of weights that stay as they are, so those may be short.
    short = recipe.lora is not None and recipe.precision == "bfloat16"
    needed = "the folder or hub id of an image-text-to-text model, with its processor"
    with loaded("model", recipe.model, recipe.revision, needed=needed) as name:
        processor = load_processor(name, revision=recipe.revision)
        model = AutoModelForImageTextToText.from_pretrained(
            name,
            revision=recipe.revision,
            dtype=torch.bfloat16 if short else torch.float32,
            attn_implementation=recipe.attention,
            use_safetensors=True,
            trust_remote_code=False,
        )
    return model, processor


def limit_pixels(processor: Any, recipe: SftRecipe) -> None:
    """Make the processor shrink pictures with more than `max_pixels`.

    Raises:
        ConfigError: it does not count pixels.
    """
    if recipe.max_pixels is None:
        return
    images = processor.image_processor
    if not hasattr(images, "merge_size"):
        raise ConfigError(
            f"max_pixels has no effect on {recipe.model!r}, whose {type(images).__name__} makes "
            "all pictures one size"
        )
    smallest = min(images.size["shortest_edge"], recipe.max_pixels)
    images.size = {"shortest_edge": smallest, "longest_edge": recipe.max_pixels}


def freeze(model: torch.nn.Module, recipe: SftRecipe) -> None:
    """Leave tower and projector out of the training, as the recipe says.

    Raises:
        ConfigError: the model has none that is known here.
    """
    tower, projector = [], []
    for name, weight in model.named_parameters():
        if _PROJECTOR.search(name):
            projector.append(weight)
        elif _TOWER.search(name):
            tower.append(weight)
    for wanted, part, weights in (
        (recipe.freeze_tower, "tower", tower),
        (recipe.freeze_projector, "projector", projector),
    ):
        if not wanted:
            continue
        if not weights:
            raise ConfigError(
                f"freeze_{part} = true: no {part} is known in a {type(model).__name__}"
            )
        for weight in weights:
            weight.requires_grad_(False)


def adapters(recipe: SftRecipe) -> Any:
    """The recipe's `LoraConfig`; None if all weights are trained."""
    lora = recipe.lora
    if lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        revision=recipe.revision,
        task_type="CAUSAL_LM",
    )


def control_tokens(processor: Any) -> list[str]:
    """What no text of a row may hold, such as `<image>` and `<|im_end|>`."""
    added = processor.tokenizer.added_tokens_decoder.values()
    return [token.content for token in added if token.special]


def count_weights(model: Any) -> tuple[int, int]:
    """Weights that are trained, and all. Under ZeRO-3 a weight's own count is that of its part."""
    sizes = [
        (int(getattr(weight, "ds_numel", weight.numel())), weight.requires_grad)
        for weight in model.parameters()
    ]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)


def merge_adapter(adapter: Path, out: Path) -> None:
    """Add the adapters of a LoRA training into their model, and save that for vLLM and others.

    Raises:
        ConfigError: the folder holds no adapters, or their model cannot be loaded.
    """
    from peft import PeftConfig, PeftModel
    from transformers import AutoModelForImageTextToText

    weights = adapter / "adapter_model.safetensors"
    if not weights.is_file():  # peft would go on to load a pickle
        raise ConfigError(f"the adapters in {str(adapter)!r} have no {weights.name!r}")
    with loaded("adapter", str(adapter)) as name:
        base = PeftConfig.from_pretrained(name)
        model = AutoModelForImageTextToText.from_pretrained(
            base.base_model_name_or_path,
            revision=base.revision,
            dtype="auto",
            use_safetensors=True,
            trust_remote_code=False,
        )
        processor = load_processor(name)
        merged = PeftModel.from_pretrained(model, name).merge_and_unload()
    merged.save_pretrained(out)
    processor.save_pretrained(out)
