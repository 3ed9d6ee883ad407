"""The whole way of the sketch critic: from nothing, through PARROT, to a folder that judges.

Four stages, each of which goes on where it stopped: a base model that can see and read
(`pretrain`); preference pairs of drawn and of rendered pictures; rationales of the program teacher,
filtered and projected; and fine-tuning on what was kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from rr_refine.component import connected
from rr_refine.sketch.training.critic.cases import drawn_cases, raw_pairs
from rr_refine.sketch.training.critic.perception import PerceptionRecipe
from rr_refine.sketch.training.critic.pretrain import PretrainRecipe, pretrain
from rr_refine.sketch.training.critic.rendered import rendered_cases, rendered_pictures
from rr_refine.sketch.training.critic.student import StudentSize, pack_student
from rr_refine.sketch.training.critic.teacher import SketchTeacher, SketchTeacherOptions
from rr_refine.sketch.training.critic.training_pictures import TrainingPicture
from rr_refine.training.parrot.config import ParrotOptions
from rr_refine.training.parrot.export import export
from rr_refine.training.parrot.folder import ParrotFolder
from rr_refine.training.parrot.ingest import ingest
from rr_refine.training.parrot.pipeline import produce
from rr_refine.training.parrot.recipe import load_recipe
from rr_refine.training.parrot.report import ExportReport

__all__ = ["QUICK", "CriticRecipe", "Pictures", "make_rows", "train_critic"]

_MISREADS: Final = 0.15
"""Slips at the first look, fewer than the teacher's own default: the small student has few rows to
average them out."""
TRAINING_SEED: Final = 7
"""Of drawn cases. Held-out ones have other seeds: see `rr_refine.sketch.bench.tasks`."""


@dataclass(frozen=True, slots=True)
class CriticRecipe:
    """What each stage does, and how long."""

    pretrain: PretrainRecipe = field(default_factory=PretrainRecipe)
    drawn: int = 20_000
    """Cases of drawn pictures, beside those of the generator's own."""
    parrot: ParrotOptions = field(default_factory=ParrotOptions)
    sft: dict[str, JsonValue] = field(default_factory=dict)
    """What is changed in the built-in recipe `sketch`."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Manifests of what the generator made."""

    rendered: Path
    """For requests and edits."""
    decoded: Path
    """Drawings with words, right and misspelt, through its autoencoder alone."""

    def training_pictures(self) -> list[TrainingPicture]:
        """All of them to learn to read from."""
        return [*rendered_pictures(self.rendered), *rendered_pictures(self.decoded)]


_TINY: Final = StudentSize(1, 32, 2, 1, 64, 2)
QUICK: Final = CriticRecipe(
    pretrain=PretrainRecipe(
        steps=30, size=_TINY, perception=PerceptionRecipe(steps=30, batch=8, size=_TINY)
    ),
    drawn=30,
    sft={"batch": 4, "max_steps": 20},
)
"""A minute on a CPU: shows that everything runs, and judges nothing."""


def train_critic(
    folder: Path,
    recipe: CriticRecipe,
    pictures: Pictures | None = None,
    device: str = "auto",
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Train, or go on training, in `folder`; returns its folder `critic`, the finished critic.

    `say` is told each stage as it begins. Fine-tuning takes an accelerator wherever there is one,
    whatever the device.
    """
    from rr_refine.training.parrot.sft import fine_tune

    say("base model of the critic")
    rendered = pictures.training_pictures() if pictures else ()
    pretrain(folder, recipe.pretrain, rendered, device)
    say("PARROT: pairs, rationales, filter")
    make_rows(folder / "parrot", recipe, pictures)
    say("PARROT: fine-tuning")
    paths: dict[str, JsonValue] = {
        "model": str(folder / "base"),
        "out": str(folder / "sft"),
        "data": [{"file": str(folder / "parrot" / "sft" / "parrot.jsonl")}],
        "resume": True,
    }
    fine_tune(load_recipe("sketch", {**recipe.sft, **paths}))
    pack_student(folder / "sft" / "model", folder / "critic")
    return folder / "critic"


def make_rows(folder: Path, recipe: CriticRecipe, pictures: Pictures | None = None) -> ExportReport:
    """Pairs, rationales and training rows in a PARROT folder, without a model of any kind."""
    parrot = ParrotFolder(folder)
    if pictures:
        rendered = rendered_cases(pictures.rendered)
        # By other requests they would show nothing new: what is new in them are the letters.
        decoded = rendered_cases(pictures.decoded, others=0)
        ingest(parrot, raw_pairs(rendered, dataset="sketch-rendered"))
        ingest(parrot, raw_pairs(decoded, dataset="sketch-decoded"))
    drawn = islice(drawn_cases(TRAINING_SEED), recipe.drawn)
    ingest(parrot, raw_pairs(drawn, dataset="sketch-drawn"))
    asyncio.run(_produce(ParrotFolder(folder), recipe.parrot))
    return export(ParrotFolder(folder), template="sketch")


async def _produce(parrot: ParrotFolder, options: ParrotOptions) -> None:
    teacher = SketchTeacher(SketchTeacherOptions(misreads=_MISREADS))
    async with connected((teacher,)):
        await produce(parrot, teacher, options)
