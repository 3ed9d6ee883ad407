"""Train the vision tower of the student first: SigLIP learns to see before there are words.

What: each of the 64 patches must say what stands in its place of the 3 x 3 grid (kind, colour,
size, or nothing), which word is written there and by which letters, what the background is, and
whether the picture is damaged. The heads that say it are one linear layer, thrown away afterwards.

Why so: captions give one faint signal a picture, and perception takes hours to form under them;
under sixty-four labelled patches a picture it takes minutes. The letters are there because whoever
has to tell sixteen words apart need not look at each: `HCT` was taken for `HOT`.

Run: `rr-refine train sketch --only critic`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from string import ascii_uppercase
from typing import Final

import torch
from transformers import SiglipVisionModel

from rr_refine.sketch.training.critic.student import PATCH, StudentSize, tower_config
from rr_refine.sketch.training.critic.training_pictures import (
    TrainingPicture,
    lettered_picture,
    random_picture,
)
from rr_refine.sketch.training.generator.autoencoder import to_pixels
from rr_refine.sketch.world.drawing import SIDE
from rr_refine.sketch.world.scene import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    MAX_LETTERS,
    PLACES,
    SIZES,
    WORDS,
)
from rr_refine.training.loop import TrainingLoop, muon_and_adamw, pick_device

__all__ = ["PerceptionRecipe", "optimizers", "train_tower"]

_IGNORED: Final = -100
_HEADS: Final = {
    "kind": len(KINDS) + 2,  # the last two: something unclear, nothing
    "colour": len(COLOURS),
    "size": len(SIZES),
    "word": len(WORDS) + 2,  # the last two: unclear letters, no word
    "background": len(BACKGROUNDS),
    "damaged": 2,
    **{f"letter {i + 1}": len(ascii_uppercase) + 1 for i in range(MAX_LETTERS)},  # the last: none
}


@dataclass(frozen=True, slots=True)
class PerceptionRecipe:
    """What to train, and how long."""

    steps: int = 4000
    batch: int = 48
    learning_rate: float = 1e-3
    size: StudentSize = field(default_factory=StudentSize)
    exam: int = 300
    """Pictures on which the tower is graded at the end."""
    seed: int = 1
    lettered: float = 0.25
    """Share of pictures that are there to learn letters from."""
    rendered: float = 0.35
    """Share of pictures of the generator's, if there are any."""


def optimizers(
    model: torch.nn.Module, learning_rate: float
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the matrices of `model`'s layers, AdamW for the rest: embeddings, norms, heads."""
    return muon_and_adamw(
        model, lambda name: ".layers." in name, muon=learning_rate, adamw=learning_rate
    )


def train_tower(
    folder: Path,
    recipe: PerceptionRecipe,
    rendered: Sequence[TrainingPicture] = (),
    device: str = "auto",
) -> SiglipVisionModel:
    """Train, or go on training, in `folder`; returns the averaged tower in evaluation mode.

    `rendered` are pictures of the generator's.
    """
    device = pick_device(device)
    torch.manual_seed(recipe.seed)
    tower = SiglipVisionModel(tower_config(recipe.size))
    heads = torch.nn.Linear(recipe.size.tower_width, sum(_HEADS.values()))
    model = torch.nn.ModuleDict({"tower": tower, "heads": heads}).to(device)
    random = Random(recipe.seed * 1_000_003)  # far from the seeds of exams and benchmarks
    loop = TrainingLoop(
        folder / "tower.pt",
        model,
        optimizers(model, recipe.learning_rate),
        steps=recipe.steps,
        random=random,
        decay=0.99,
    )
    for _ in loop:
        pixels, labels = _batch(_pictures(random, recipe, rendered))
        said = _see(model, pixels.to(device))
        loss = torch.stack([_loss(said[name], labels[name].to(device)) for name in _HEADS]).sum()
        loop.update(loss, loss=loss.item())
    loop.finish()
    random = Random(-recipe.seed)
    grades = _grade(model, [random_picture(random) for _ in range(recipe.exam)])
    loop.log(step=loop.step, seconds=loop.seconds, **grades)
    return tower


def _pictures(
    random: Random, recipe: PerceptionRecipe, rendered: Sequence[TrainingPicture]
) -> list[TrainingPicture]:
    """The pictures of one step."""
    pictures = []
    for _ in range(recipe.batch):
        chance = random.random()
        if rendered and chance < recipe.rendered:
            pictures.append(random.choice(rendered))
        elif chance > 1 - recipe.lettered:
            pictures.append(lettered_picture(random))
        else:
            pictures.append(random_picture(random))
    return pictures


def _batch(pictures: Sequence[TrainingPicture]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Pictures as pixels, and for each head what each of their patches is (pictures, patches)."""
    # (pictures, places, heads), then each patch has the labels of its place.
    by_place = torch.tensor([_labels(picture) for picture in pictures])[:, _places_of_patches()]
    return (
        to_pixels([picture.image for picture in pictures]),
        {name: by_place[..., i] for i, name in enumerate(_HEADS)},
    )


def _labels(picture: TrainingPicture) -> list[list[int]]:
    """For each place what each head should say, in the order of `_HEADS`."""
    observed, rows = picture.observation, []
    damaged = _IGNORED if picture.damaged is None else int(picture.damaged)
    letters = [ascii_uppercase.index(letter) for letter in picture.spelt]
    letters += [len(ascii_uppercase)] * (MAX_LETTERS - len(letters))
    for place in PLACES:
        look = (len(KINDS) + (place not in observed.doubts), _IGNORED, _IGNORED)
        for shape in observed.shapes:
            if shape.place == place:
                look = KINDS.index(shape.kind), COLOURS.index(shape.colour), SIZES.index(shape.size)
        word = len(WORDS) + (place != picture.scribbled)
        for lettering in picture.words:
            if lettering.place == place:
                word = WORDS.index(lettering.word)
        written = picture.spelt and word != len(WORDS) + 1
        spelt = letters if written else [_IGNORED] * MAX_LETTERS
        rows.append([*look, word, BACKGROUNDS.index(picture.background), damaged, *spelt])
    return rows


def _places_of_patches() -> list[int]:
    """The index of the place in which each patch has its middle."""
    along = [int((patch + 0.5) * PATCH * 3 / SIDE) for patch in range(SIDE // PATCH)]
    return [row * 3 + column for row in along for column in along]


def _see(model: torch.nn.ModuleDict, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    """What each patch says under each head: logits (N, patches, classes)."""
    features = model["tower"](pixel_values=pixels).last_hidden_state
    logits = model["heads"](features).split(list(_HEADS.values()), dim=-1)
    return dict(zip(_HEADS, logits, strict=True))


def _loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    total = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=_IGNORED, reduction="sum"
    )
    return total / (labels != _IGNORED).sum().clamp(min=1)  # there may be no letters at all


def _grade(model: torch.nn.ModuleDict, pictures: Sequence[TrainingPicture]) -> dict[str, float]:
    """Shares of patches that each head gets right, and of pictures with all of them right."""
    pixels, labels = _batch(pictures)
    with torch.inference_mode():
        said = _see(model, pixels.to(next(model.parameters()).device))
    grades, whole = {}, torch.ones(len(pictures), dtype=torch.bool)
    for name in _HEADS:
        right = said[name].argmax(-1).cpu() == labels[name]
        counted = labels[name] != _IGNORED
        grades[name] = right[counted].float().mean().item()
        if name != "damaged":
            whole &= (right | ~counted).all(1)
    return grades | {"whole": whole.float().mean().item()}
