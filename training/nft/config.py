"""A recipe: everything that decides how a generator is trained, in a file that people can read."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, JsonValue, model_validator

from rr_refine.errors import ConfigError
from rr_refine.terms import Dimension, Given
from rr_refine.training.nft.adapters import ATTENTION
from rr_refine.training.nft.advantage import Aggregate
from rr_refine.training.recipes import RecipeCheck, read_recipe, recipe_names

__all__ = ["NftRecipe", "builtin_recipes", "load_recipe"]

_RECIPES: Final = files("rr_refine.training.nft") / "recipes"


class NftRecipe(Given):
    """How a generator is trained. Defaults are those of the public configurations that agree."""

    model: str = Field(min_length=1)
    """A folder, a hub id, or `my_pkg.mod:NAME`, a variable that holds a folder."""
    pipeline: str | None = None
    """A pipeline class, where not the one that the model names."""
    revision: str | None = None
    """Branch, tag or commit of a hub id."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Of the frozen weights; adapters and loss are float32."""
    device: str = "auto"
    """`auto` (an accelerator if there is one), or a torch device."""
    call: dict[str, JsonValue] = {}
    """Arguments of every call of the pipeline: width, height, max_sequence_length, and an embedded
    guidance_scale where the model has one."""
    data: str = Field(min_length=1)
    """Prompts to train on: JSON lines, parquet, or `my_pkg.mod:function`, which gives rows."""
    shuffle: bool = True
    """Draw the rows in random order, anew in each pass; False takes them as they stand."""
    held_out: str | None = None
    """Prompts that are never trained on, in the same forms, drawn again and again with fixed seeds;
    what they are judged by decides which checkpoint is best."""
    initial_below: float | None = Field(default=None, gt=1, le=4)
    """Train only on rows whose first picture has a mean score below it (paper: 3.0)."""

    groups: int = Field(default=48, ge=1)
    """Rows in an epoch, over all processes."""
    images: int = Field(default=24, ge=2)
    """Pictures of each row."""
    keep: int | None = Field(default=None, ge=2)
    """Train on so many of a group, half of them the best and half the worst; None on all."""
    steps: int = Field(default=10, ge=1)
    """Inference steps of a rollout."""
    solver: Literal["pipeline", "dpm2"] = "pipeline"
    """The pipeline's own scheduler, or DPM-Solver++ 2M, which needs about half the steps."""
    shift: float = Field(default=1.0, gt=0)
    """Flow shift of dpm2, and of the times that are trained on."""
    batch: int = Field(default=8, ge=1)
    """Most pictures in one call of the pipeline."""

    critic: dict[str, JsonValue]
    """Whose scores are the reward: `use`, and its options."""
    endpoints: tuple[str, ...] = ()
    """Addresses of equal servers, which share the critic's work, in place of its `base_url`."""
    judge: dict[str, JsonValue] | None = None
    """Another critic, of the held-out prompts: it tells a better picture from one that pleases the
    critic. None: the critic itself."""
    concurrency: int = Field(default=64, ge=1)
    """Most critiques at once."""
    overlap: bool = True
    """Judge pictures while the next are drawn. False draws all, then judges all: for a critic that
    sleeps meanwhile, on the same GPU."""
    patience: float = Field(default=180.0, ge=0)
    """Seconds for which a critic that cannot be reached is asked again."""
    max_failures: float = Field(default=0.2, ge=0, le=1)
    """Share of an epoch's critiques that may fail before the training stops."""
    aggregate: Aggregate = "mean"
    weights: dict[Dimension, float] = {}
    """Of the dimensions, 1 by default; 0 leaves one out."""
    spread: Literal["epoch", "group"] = "epoch"
    """Whose standard deviation residuals are divided by."""
    flat_below: float = Field(default=0.05, ge=0)
    """Groups whose rewards deviate by less are not trained on."""
    solved_above: float = Field(default=0.9, ge=0, le=1)
    """Flat groups with a higher mean are solved: their row rests."""
    rest: int = Field(default=10, ge=0)
    """For so many epochs."""

    nft_beta: float = Field(default=1.0, gt=0)
    """How far the implicit policies stand from the old one; smaller is faster and less stable."""
    clip: float = Field(default=5.0, gt=0)
    """Advantages are cut at it."""
    kl_coef: float = Field(default=1e-4, ge=0)
    """Weight of the squared distance to the untrained model's velocity. 0 saves a pass."""
    timesteps: int = Field(default=4, ge=1)
    """Times that each sample is trained at, one in each equal part of `times`."""
    times: tuple[float, float] = (0.02, 1.0)
    """Below 0.02 there is next to no gradient."""
    old_decay: float = Field(default=1e-3, ge=0)
    """After n updates the old policy stays by min(old_decay * n, old_max); 0 is on-policy."""
    old_max: float = Field(default=0.5, ge=0, lt=1)

    rank: int = Field(default=32, ge=1)
    alpha: float = Field(default=64, gt=0)
    targets: tuple[str, ...] = ATTENTION
    """Ends of the names of the layers that get an adapter."""
    learning_rate: float = Field(default=3e-4, gt=0)
    """Its peak: it rises over `warmup` updates and falls over the last 40 %."""
    warmup: int = Field(default=0, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(default=1e-4, ge=0)
    updates: int = Field(default=1, ge=1)
    """Optimiser steps in an epoch."""
    micro_batch: int = Field(default=8, ge=1)
    """Samples in one pass of the transformer."""
    average: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the averaged policy, which is judged and saved; 0 takes the last."""

    epochs: int = Field(default=100, ge=1)
    seconds: float | None = Field(default=None, gt=0)
    """Stop after so much time, that of earlier runs counted in."""
    max_kl: float | None = Field(default=None, gt=0)
    """Stop where the distance to the untrained model is larger."""
    falls: int | None = Field(default=3, ge=1)
    """Stop when the judge has fallen short of its best so many times in a row."""
    guard: str | None = None
    """A kind of held-out rows whose share without a miss may not fall: see `guard_drop`."""
    guard_drop: float = Field(default=0.02, ge=0, le=1)
    """By more than this below the untrained model's, and a checkpoint is not the best."""
    evaluate_every: int = Field(default=5, ge=1)
    """Epochs between two drawings of the held-out prompts."""
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()
    """Where accelerate sends the log beside the file."""
    seed: int = Field(default=0, ge=0, lt=2**63)

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.times
        if not 0.02 <= low < high <= 1:
            raise ConfigError(f"times = {self.times!r} must rise, from 0.02 or more to at most 1")
        if self.guard is not None and self.held_out is None:
            raise ConfigError(f"guard = {self.guard!r} has no effect without held_out")
        if self.judge is not None and self.held_out is None:
            raise ConfigError("judge has no effect without held_out")
        if self.keep is not None and self.keep > self.images:
            raise ConfigError(f"keep = {self.keep} is more than images = {self.images}")
        return self

    @property
    def training(self) -> dict[str, JsonValue]:
        """What the weights depend on; two runs that agree in it may go on from each other."""
        aside = {"epochs", "seconds", "trackers", "patience", "concurrency", "device"}
        return self.model_dump(mode="json", exclude=aside)


def builtin_recipes() -> list[str]:
    """Names of the recipes that the package carries."""
    return recipe_names(_RECIPES)


def load_recipe(
    name: str | Path,
    changes: Mapping[str, JsonValue] | None = None,
    check: RecipeCheck | None = None,
) -> NftRecipe:
    """Read a recipe: see `rr_refine.training.recipes.read_recipe`."""
    return read_recipe(NftRecipe, _RECIPES, name, changes, check)
