"""Pre-train the student: a model of the sketch world that can see, read and write, but not judge.

What: first the tower alone (`perception`), then the whole model on dialogues about pictures and
requests (`dialogues`), answers only. The tower is frozen in the second part.

Why so: it is what Qwen3-VL-8B is in the paper. PARROT adds judging to it and nothing else, so that
the gain can be measured. Dialogues of like length share a batch, and each asks several questions
about its pictures, whose tokens cost most.

Run: `rr-refine train sketch --only critic`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import torch
from transformers import (
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
    SiglipVisionModel,
)

from rr_refine.sketch.training.critic.batching import (
    DialogueBatch,
    encode,
    endless_batches,
    to_batch,
)
from rr_refine.sketch.training.critic.dialogues import dialogue_about, random_dialogue
from rr_refine.sketch.training.critic.perception import PerceptionRecipe, optimizers, train_tower
from rr_refine.sketch.training.critic.student import StudentSize, build_student, save_student
from rr_refine.sketch.training.critic.tokenizer import PAD, build_tokenizer, token_id
from rr_refine.sketch.training.critic.training_pictures import TrainingPicture, plain_picture
from rr_refine.training.loop import TrainingLoop, pick_device

__all__ = ["PretrainRecipe", "answer_loss", "examine", "pretrain", "train_language"]


@dataclass(frozen=True, slots=True)
class PretrainRecipe:
    """What to train, and how long. Steps are those of the second part."""

    steps: int = 6000
    tokens: int = 3000
    """In a batch, padding and pictures included."""
    learning_rate: float = 1.5e-3
    size: StudentSize = field(default_factory=StudentSize)
    perception: PerceptionRecipe = field(default_factory=PerceptionRecipe)
    exam: int = 200
    """Dialogues on which the model is graded at the end; a third of them now and then before."""
    seed: int = 1


def pretrain(
    folder: Path,
    recipe: PretrainRecipe,
    rendered: Sequence[TrainingPicture] = (),
    device: str = "auto",
) -> LlavaForConditionalGeneration:
    """Train both parts, or go on, in `folder`; the model is saved in its folder `base`.

    `rendered` are pictures of the generator's, for the first part.
    """
    tower = train_tower(folder, recipe.perception, rendered, device)
    model = train_language(folder, recipe, tower, device)
    save_student(folder / "base", model, build_tokenizer())
    return model


def train_language(
    folder: Path, recipe: PretrainRecipe, tower: SiglipVisionModel, device: str = "auto"
) -> LlavaForConditionalGeneration:
    """Train, or go on training, in `folder`; returns the averaged model in evaluation mode."""
    device = pick_device(device)
    torch.manual_seed(recipe.seed)
    tokenizer = build_tokenizer()
    model = build_student(tokenizer, recipe.size)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    model.model.vision_tower.requires_grad_(False)
    model.to(device)  # type: ignore[arg-type]
    random = Random(recipe.seed * 1_000_003)  # far from the seeds of exams and benchmarks
    loop = TrainingLoop(
        folder / "language.pt",
        model,
        optimizers(model, recipe.learning_rate),
        steps=recipe.steps,
        random=random,
        decay=0.99,
        log_every=20,
        save_every=250,
    )
    batches = endless_batches(random, tokenizer, recipe.tokens)
    for step in loop:
        batch = next(batches)
        loss = answer_loss(model, batch)
        loop.update(loss, loss=loss.item(), talks=len(batch.ids))
        if step % 250 == 0:
            loop.log(step=step, **examine(model, tokenizer, Random(-1), recipe.exam // 3))
    loop.finish()
    grades = examine(model, tokenizer, Random(-1), recipe.exam)
    loop.log(step=loop.step, seconds=loop.seconds, **grades)
    return model


def answer_loss(model: LlavaForConditionalGeneration, batch: DialogueBatch) -> torch.Tensor:
    """Mean cross-entropy of the answers' tokens."""
    before = torch.zeros_like(batch.answers)
    before[:, :-1] = batch.answers[:, 1:]
    wanted = batch.ids[batch.answers].to(model.device)
    return torch.nn.functional.cross_entropy(_logits(model, batch, before), wanted)


def _logits(
    model: LlavaForConditionalGeneration, batch: DialogueBatch, chosen: torch.Tensor
) -> torch.Tensor:
    """What comes after the chosen tokens: (chosen, vocabulary).

    There is no attention mask: what pads stands after everything that counts.
    """
    device = model.device
    pixels = None if batch.pixels is None else batch.pixels.to(device)
    hidden = model.model(input_ids=batch.ids.to(device), pixel_values=pixels).last_hidden_state
    logits: torch.Tensor = model.lm_head(hidden[chosen.to(device)])
    return logits.float()


def examine(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    random: Random,
    count: int,
) -> dict[str, float]:
    """Shares of exactly right answers: in new dialogues, by question, and about plain pictures.

    A greedy answer is exactly right if and only if every token of the right one is the likeliest
    after those before it: so one pass over the right dialogues tells, with nothing generated. Later
    answers are graded as if those before them were right.
    """
    padding = token_id(tokenizer, PAD)
    right: dict[str, list[bool]] = {}
    for number in range(2 * count):
        plain = number < count
        plain_one = plain_picture(random) if plain else None
        dialogue = dialogue_about(plain_one, random) if plain_one else random_dialogue(random)
        batch = to_batch([encode(dialogue, tokenizer)], padding)
        with torch.inference_mode():
            likeliest = _logits(model, batch, batch.ids > -1).argmax(-1).cpu()
        for turn in batch.turns[0]:
            exact = torch.equal(
                likeliest[turn.start - 1 : turn.stop - 1], batch.ids[0, turn.start : turn.stop]
            )
            right.setdefault(f"{'plain: ' if plain else ''}{turn.question}", []).append(exact)
    return {question: sum(grades) / len(grades) for question, grades in sorted(right.items())}
