"""A recipe: everything that decides how a student is fine-tuned, in a file that people can read."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from rr_refine.errors import ConfigError
from rr_refine.named import require_path
from rr_refine.terms import Given, Record
from rr_refine.training.recipes import RecipeCheck, read_recipe, recipe_names

__all__ = ["LANGUAGE_MODEL", "DataPart", "Lora", "SftRecipe", "builtin_recipes", "load_recipe"]

_RECIPES: Final = files("rr_refine.training.parrot") / "recipes"
LANGUAGE_MODEL: Final = r"model\.language_model\..*\.(q|k|v|o|gate|up|down)_proj"
"""The linear layers of the decoder, in LLaVA and in Qwen3-VL; PEFT's own "all-linear" would reach
into the vision tower."""


class DataPart(Record):
    """One file of the mixture: JSON lines as PARROT exports them (`parrot.rows.SftRow`)."""

    file: Path
    """The file, or the folder of the export that holds it."""
    weight: float = Field(default=1.0, gt=0)
    """How often its rows are seen in an epoch: 2 is twice each, 0.5 half of them, drawn once."""
    pictures: Path | None = None
    """The folder that the rows' image paths start from. None: the folder above `sft`, where an
    export writes, or else the file's own folder."""

    @field_validator("file")
    @classmethod
    def _of_a_folder(cls, file: Path) -> Path:
        """A PARROT folder stands for what was exported in it."""
        exported = file / "sft" / "parrot.jsonl"
        return exported if exported.is_file() else file

    @property
    def root(self) -> Path:
        """The folder that image paths start from."""
        if self.pictures is not None:
            return self.pictures
        folder = self.file.absolute().parent
        return folder.parent if folder.name == "sft" else folder


class Lora(Record):
    """Low-rank adapters instead of all weights."""

    rank: int = Field(default=64, ge=1)
    alpha: int = Field(default=128, ge=1)
    """Adapters count alpha / rank times."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: str = LANGUAGE_MODEL
    """A regular expression that the full name of a layer must match."""


class SftRecipe(Given):
    """How a student is fine-tuned.

    Defaults are those of the configuration released with the paper, as far as it goes
    (`rationalrewards_full_sft.yaml`).
    """

    model: str = Field(min_length=1)
    """A folder, or an id of the model hub."""
    revision: str | None = None
    """The commit, tag or branch of a hub id; None for its newest."""
    data: tuple[DataPart, ...] = Field(min_length=1)
    """The mixture."""
    out: Annotated[Path, AfterValidator(require_path)]
    """A folder for the student (`model`), `log.jsonl`, `report.json` and checkpoints."""
    epochs: float = Field(default=3.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    """Ends the training instead of `epochs`."""
    batch: int = Field(default=4, ge=1)
    """Rows per device and forward pass."""
    accumulate: int = Field(default=4, ge=1)
    """Forward passes per optimiser step."""
    learning_rate: float = Field(default=1e-5, gt=0)
    """Its peak: a linear warm-up leads there, a cosine back to 0."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of all steps that is warm-up."""
    weight_decay: float = Field(default=1e-6, ge=0)
    freeze_tower: bool = True
    """Leave the vision tower as it is."""
    freeze_projector: bool = True
    """Leave what leads from the tower to the language model as it is."""
    lora: Lora | None = None
    """None trains all weights that are not frozen."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """What is computed in, and what the student is saved in. Weights that are trained are kept in
    float32 meanwhile: a step of 1e-5 would be lost in bfloat16."""
    recompute: bool = True
    """Compute activations again for the backward pass rather than keep them: a fifth more time,
    much less memory."""
    max_pixels: int | None = Field(default=None, ge=1)
    """Pictures with more pixels are made smaller. For image processors that count pixels, as
    Qwen's do; None leaves the processor as it is. Serve the student with the same limit."""
    workers: int = Field(default=0, ge=0)
    """Processes per device that load and prepare pictures; 0 does it in between."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    log_every: int = Field(default=10, ge=1)
    """Steps between two lines of the log."""
    save_every: int | None = Field(default=None, ge=1)
    """Steps between two checkpoints; None keeps none."""
    keep: Annotated[int, Field(ge=1)] | Literal["all"] = 2
    """Checkpoints that are kept: the newest so many, or all, to measure them and take the best."""
    validation: float = Field(default=0.0, ge=0, lt=1)
    """Share of the pairs whose rows are left out of the training, drawn at random; the log says
    how well they are learned (`eval_loss`)."""
    validate_every: int = Field(default=200, ge=1)
    """Steps between two measurements on them; there is one at the end, too."""
    trackers: tuple[str, ...] = ()
    """Experiment trackers that are told the log beside the file, by transformers' names for them
    (`tensorboard`, `trackio`, `wandb`, …). Some send it elsewhere; by default nothing is sent."""
    attention: Literal["eager", "sdpa", "flash_attention_2", "flash_attention_3"] | None = None
    """How attention is computed. None leaves it to transformers (sdpa, mostly); the others need a
    GPU and a package of their own."""
    resume: bool = False
    """Go on from the newest checkpoint in `out`, if there is one."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        # ConfigError, not ValueError: pydantic's report of a ValueError holds the whole recipe.
        if self.lora and not (self.freeze_tower and self.freeze_projector):
            raise ConfigError(
                "freeze_tower = false and freeze_projector = false have no effect with [lora], "
                "which trains its adapters only; drop them, or drop [lora]"
            )
        return self

    @property
    def training(self) -> dict[str, JsonValue]:
        """What the student depends on; two runs that agree in it may go on from each other."""
        aside = {"out", "resume", "save_every", "log_every", "workers", "keep", "validate_every"}
        aside |= {"trackers", "attention"}
        if not self.validation:
            aside.add("validation")  # which older trainings do not know
        return self.model_dump(mode="json", exclude=aside)


def builtin_recipes() -> list[str]:
    """Names of the recipes that the package carries."""
    return recipe_names(_RECIPES)


def load_recipe(
    name: str | Path,
    changes: Mapping[str, JsonValue] | None = None,
    check: RecipeCheck | None = None,
) -> SftRecipe:
    """Read a recipe: see `rr_refine.training.recipes.read_recipe`."""
    return read_recipe(SftRecipe, _RECIPES, name, changes, check)
