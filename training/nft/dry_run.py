"""A dry run: a recipe on a random pipeline of its family, for two optimiser steps on a CPU.

The same code trains it, in seconds, and what would cost days on many GPUs is checked: that the
policy moves and nothing else does, that critiques reach it, and that the LoRA loads at full
strength.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from PIL import Image
from pydantic import JsonValue

from rr_refine.errors import ConfigError
from rr_refine.generators.diffusers.tiny import TINY, build_tiny
from rr_refine.reward.fake import FakeCritic
from rr_refine.terms import Record
from rr_refine.training.nft.config import NftRecipe
from rr_refine.training.nft.data import TrainingPrompt
from rr_refine.training.nft.families import draw, family_for
from rr_refine.training.nft.pipeline import call_arguments, set_up
from rr_refine.training.nft.trainer import NftTrainer

__all__ = ["DryRunResult", "dry_run"]

_SIDE: Final = 32
_SMALL: Final[dict[str, dict[str, JsonValue]]] = {
    "FluxKontextPipeline": {"max_area": _SIDE * _SIDE, "_auto_resize": False}
}
"""What keeps a pipeline from bringing its sources to a megapixel."""


class DryRunResult(Record):
    """What the dry run showed."""

    pipeline: str
    trained_weights: int
    weights: int
    moved: float
    """The largest change of a trained weight."""


def dry_run(recipe: NftRecipe) -> DryRunResult:
    """Train a tiny pipeline by `recipe`. Nothing of it is kept.

    Model, size, critic, prompts and numbers are replaced; family, adapters, solver, loss and how
    scores are used are the recipe's.

    Raises:
        ConfigError: what is checked does not hold, or the recipe is at fault.
    """
    name = recipe.pipeline
    if name is None or name not in TINY:
        raise ConfigError(
            f"pipeline = {name!r}: a dry run needs the class of the pipeline in the recipe, one of "
            f"{', '.join(TINY)}"
        )
    with TemporaryDirectory() as folder, _small_sources():
        return _dry_run(_small(recipe, name), name, Path(folder))


@contextmanager
def _small_sources() -> Iterator[None]:
    """Inside of it Qwen's edit pipeline brings sources to 64 x 64 pixels, not to a megapixel, for
    which it has no option and a CPU needs minutes.
    """
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as module

    real = module.calculate_dimensions
    module.calculate_dimensions = lambda _area, ratio: real(64 * 64, ratio)
    try:
        yield
    finally:
        module.calculate_dimensions = real


def _small(recipe: NftRecipe, name: str) -> NftRecipe:
    call = recipe.call | {"width": _SIDE, "height": _SIDE} | _SMALL.get(name, {})
    small: dict[str, object] = {
        "call": call, "device": "cpu", "precision": "float32", "groups": 2, "images": 4,
        "steps": min(recipe.steps, 3), "batch": 4, "updates": 2, "epochs": 1, "warmup": 0,
        "rank": min(recipe.rank, 4), "keep": None, "guard": None, "judge": None, "endpoints": (),
        "flat_below": 0.0, "trackers": (), "learning_rate": 1e-2, "micro_batch": 8,
        "initial_below": None,
    }  # fmt: skip
    return recipe.model_copy(update=small)


def _dry_run(recipe: NftRecipe, name: str, folder: Path) -> DryRunResult:
    pipeline = set_up(build_tiny(name), recipe)
    edits = family_for(pipeline).task == "edit"
    rows = [_row(folder if edits else None, number) for number in range(2)]
    frozen = {name: value.clone() for name, value in pipeline.transformer.state_dict().items()}
    trainer = NftTrainer(pipeline, recipe, rows=rows, critic=FakeCritic(), out=folder)
    before = [weight.detach().clone() for weight in trainer.adapters.trained]
    trainer.run()
    trained = [weight.detach() for weight in trainer.adapters.trained]
    moved = max(float((a - b).abs().max()) for a, b in zip(trained, before, strict=True))
    after = pipeline.transformer.state_dict()
    if not moved:
        raise ConfigError("the policy did not move: no gradient reached it")
    for key, value in frozen.items():
        kept = after[key if key in after else _wrapped(key)]
        if not torch.equal(kept, value):
            raise ConfigError(f"the frozen weight {key!r} has changed")
    _check_lora(trainer, build_tiny(name), rows[0])
    count = sum(weight.numel() for weight in trained)
    return DryRunResult(
        pipeline=name,
        trained_weights=count,
        weights=sum(value.numel() for value in frozen.values()),
        moved=moved,
    )


def _check_lora(trainer: NftTrainer, fresh: Any, row: TrainingPrompt) -> None:
    """The file loads into the stock pipeline, and draws what the policy draws."""
    set_up(fresh, trainer.recipe)
    file = trainer.adapters.save(trainer.pipeline, trainer.out / "check", torch.float32)
    fresh.load_lora_weights(file.parent, use_safetensors=True)
    source = row.picture((_SIDE, _SIDE))
    latents = [
        draw(
            pipeline,
            [row.prompt],
            None if source is None else [source],
            [0],
            call_arguments(pipeline, trainer.recipe),
        ).latents
        for pipeline in (trainer.pipeline, fresh)
    ]
    wrong = float((latents[0] - latents[1]).abs().max() / latents[0].abs().max())
    if wrong > 1e-2:
        raise ConfigError(f"the LoRA draws otherwise when it is loaded: off by {wrong:.1%}")


def _row(folder: Path | None, number: int) -> TrainingPrompt:
    prompt = ("a red cat", 'a sign that says "open"')[number]
    if folder is None:
        return TrainingPrompt(prompt=prompt)
    source = folder / f"source-{number}.png"
    Image.new("RGB", (_SIDE, _SIDE), ("navy", "olive")[number]).save(source)
    return TrainingPrompt(prompt=prompt, source=source)


def _wrapped(key: str) -> str:
    """A weight's name in a layer that has got adapters."""
    layer, _, kind = key.rpartition(".")
    return f"{layer}.base_layer.{kind}"
