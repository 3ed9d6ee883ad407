"""Train the student's eyes first: a SigLIP tower learns to see before there are words.

What: each of the 64 patches must say what stands in its place of the 3 x 3 grid (kind, colour,
size, or nothing), which word is written there, what the background is, and whether the picture is
damaged. The heads that say it are one linear layer, thrown away afterwards.

Why so: captions give one faint signal a picture, and perception takes hours to form under them;
under sixty-four labelled patches a picture it takes minutes.

Run: `rr-refine train sketch --only critic`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final, cast

from rr_refine.reward.sketch.student import PATCH, StudentSize, to_pixels, tower_config
from rr_refine.reward.sketch.viewing import View, random_view
from rr_refine.sketch.drawing import SIDE
from rr_refine.sketch.scene import BACKGROUNDS, COLOURS, KINDS, PLACES, SIZES, WORDS
from rr_refine.training import (
    Average,
    Budget,
    Log,
    load_checkpoint,
    pick_device,
    save_checkpoint,
)

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from transformers import SiglipVisionModel

__all__ = ["PerceptionRecipe", "optimizers", "train_tower"]

_IGNORED: Final = -100
_HEADS: Final = {
    "kind": len(KINDS) + 2,  # the last two: something unclear, nothing
    "colour": len(COLOURS),
    "size": len(SIZES),
    "word": len(WORDS) + 2,  # the last two: unclear letters, no word
    "background": len(BACKGROUNDS),
    "damaged": 2,
}


@dataclass(frozen=True, slots=True)
class PerceptionRecipe:
    """What to train, and how long."""

    steps: int = 4000
    minutes: float = float("inf")
    batch: int = 48
    learning_rate: float = 1e-3
    size: StudentSize = field(default_factory=StudentSize)
    exam: int = 300
    """Pictures on which the tower is graded at the end."""
    seed: int = 1
    device: str = "auto"


def optimizers(
    model: torch.nn.Module, learning_rate: float
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the matrices of `model`'s layers, AdamW for the rest: embeddings, norms, heads."""
    import torch

    from rr_refine.muon import Muon

    hidden: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            (hidden if ".layers." in name and weight.ndim == 2 else rest).append(weight)
    return Muon(hidden, learning_rate), torch.optim.AdamW(
        rest, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0
    )


def train_tower(folder: Path, recipe: PerceptionRecipe) -> SiglipVisionModel:
    """Train, or go on training, in `folder`; returns the averaged tower in evaluation mode."""
    import torch
    from transformers import SiglipVisionModel

    device = pick_device(recipe.device)
    torch.manual_seed(recipe.seed)
    tower = SiglipVisionModel(tower_config(recipe.size))
    heads = torch.nn.Linear(recipe.size.tower_width, sum(_HEADS.values()))
    eyes = torch.nn.ModuleDict({"tower": tower, "heads": heads}).to(device)
    average = Average(eyes, decay=0.99)
    both = optimizers(eyes, recipe.learning_rate)
    budget = Budget(recipe.steps, recipe.minutes)
    if state := load_checkpoint(folder / "tower.pt"):
        eyes.load_state_dict(cast("dict[str, torch.Tensor]", state["model"]))
        average.load_state_dict(cast("dict[str, object]", state["average"]))
        for optimizer, saved in zip(
            both, cast("list[dict[str, object]]", state["optimizers"]), strict=True
        ):
            optimizer.load_state_dict(saved)
        budget.step, budget.spent = cast("int", state["step"]), cast("float", state["seconds"])
    random = Random(recipe.seed * 1_000_003 + budget.step)
    log = Log(folder / "tower.jsonl")
    running = 0.0

    def save() -> None:
        save_checkpoint(
            folder / "tower.pt",
            {
                "model": eyes.state_dict(),
                "average": average.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in both],
                "step": budget.step,
                "seconds": budget.seconds,
                "recipe": asdict(recipe),
            },
        )

    for step in budget:
        pixels, labels = _batch(random, recipe.batch)
        said = _see(eyes, pixels.to(device))
        loss = torch.stack([_loss(said[name], labels[name].to(device)) for name in _HEADS]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(eyes.parameters(), 1.0)
        for optimizer in both:
            for group in optimizer.param_groups:
                group["lr"] = budget.learning_rate(recipe.learning_rate)
            optimizer.step()
            optimizer.zero_grad()
        average.update(eyes)
        running += loss.item()
        if step % 50 == 0:
            log(step=step, seconds=budget.seconds, loss=running / 50)
            running = 0.0
        if step % 500 == 0:
            save()
    save()
    average.copy_to(eyes)
    grades = _grade(eyes.eval(), Random(-recipe.seed), recipe.exam)
    log(step=budget.step, seconds=budget.seconds, **grades)
    return tower


def _batch(random: Random, count: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """`count` pictures, and for each head what each of their patches is (count, patches)."""
    import torch

    views = [random_view(random) for _ in range(count)]
    # (count, places, heads), then each patch has the labels of its place.
    by_place = torch.tensor([_labels(view) for view in views])[:, _places_of_patches()]
    return (
        to_pixels([view.image for view in views]),
        {name: by_place[..., i] for i, name in enumerate(_HEADS)},
    )


def _labels(view: View) -> list[list[int]]:
    """For each place what each head should say, in the order of `_HEADS`."""
    sight, rows = view.sight, []
    for place in PLACES:
        look = (len(KINDS) + (place not in sight.doubts), _IGNORED, _IGNORED)
        for shape in sight.shapes:
            if shape.place == place:
                look = KINDS.index(shape.kind), COLOURS.index(shape.colour), SIZES.index(shape.size)
        word = len(WORDS) + (place != view.scribbled)
        for written in view.words:
            if written.place == place:
                word = WORDS.index(written.word)
        rows.append([*look, word, BACKGROUNDS.index(view.background), int(view.damaged)])
    return rows


def _places_of_patches() -> list[int]:
    """The index of the place in which each patch has its middle."""
    along = [int((patch + 0.5) * PATCH * 3 / SIDE) for patch in range(SIDE // PATCH)]
    return [row * 3 + column for row in along for column in along]


def _see(eyes: torch.nn.ModuleDict, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    """What each patch says under each head: logits (N, patches, classes)."""
    features = eyes["tower"](pixel_values=pixels).last_hidden_state
    logits = eyes["heads"](features).split(list(_HEADS.values()), dim=-1)
    return dict(zip(_HEADS, logits, strict=True))


def _loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=_IGNORED
    )


def _grade(eyes: torch.nn.ModuleDict, random: Random, count: int) -> dict[str, float]:
    """Shares of patches that each head gets right on new pictures, and of pictures all right."""
    import torch

    pixels, labels = _batch(random, count)
    with torch.inference_mode():
        said = _see(eyes, pixels.to(next(eyes.parameters()).device))
    grades, whole = {}, torch.ones(count, dtype=torch.bool)
    for name in _HEADS:
        right = said[name].argmax(-1).cpu() == labels[name]
        counted = labels[name] != _IGNORED
        grades[name] = right[counted].float().mean().item()
        if name != "damaged":
            whole &= (right | ~counted).all(1)
    return grades | {"whole": whole.float().mean().item()}
