"""TRL's trainer for supervised fine-tuning, set up for critics. Importing this imports TRL."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from accelerate.utils import is_peft_model
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from rr_refine.errors import RefineError
from rr_refine.hub import loaded
from rr_refine.training.parrot.mixture import MixtureRow, open_row
from rr_refine.training.parrot.recipe import SftRecipe

__all__ = [
    "CriticTrainer",
    "LengthGroupedSampler",
    "LogCallback",
    "estimate_lengths",
    "to_arguments",
]

_POOL = 50
"""Batches whose rows are sorted together: enough for little padding, few enough for variety."""


class CriticTrainer(SFTTrainer):  # type: ignore[misc]
    """`SFTTrainer` with batches of rows of one length.

    Args:
        lengths: of the rows, in any unit.
        arguments: for `SFTTrainer`.
    """

    def __init__(self, lengths: Sequence[float], **arguments: Any) -> None:
        self._lengths = lengths
        super().__init__(**arguments)

    def _send_telemetry(self) -> None:
        """Only the recipe's trackers are told. TRL would tell its makers model and hardware."""

    def _get_train_sampler(self, train_dataset: object = None) -> LengthGroupedSampler:  # noqa: ARG002
        # Processes take batches in turn, so that it is good for their batches to be alike, too.
        together = self.args.per_device_train_batch_size * self.args.world_size
        return LengthGroupedSampler(self._lengths, together, self.args.seed)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Go on with the weights of a checkpoint.

        Transformers looks for them by the names in the file, which for LLaVA are older than those
        in the model: it would find none, warn, and begin anew with an optimiser in mid-flight.

        Raises:
            ConfigError: the checkpoint cannot be loaded, or holds what is not from here.
        """
        with loaded("checkpoint", resume_from_checkpoint) as name:
            if is_peft_model(self.model) or self.is_fsdp_enabled or self.is_deepspeed_enabled:
                super()._load_from_checkpoint(name, model)
                return
            saved = type(self.model).from_pretrained(
                name,
                dtype=self.model.dtype,
                use_safetensors=True,
                trust_remote_code=False,
            )
            self.model.load_state_dict(saved.state_dict())

    def save_student(self, folder: Path) -> None:
        """Write weights (adapters, for LoRA), settings and processor, in the computing precision.

        All processes must call it: under FSDP and ZeRO-3 each holds a part.
        """
        weights = self.accelerator.get_state_dict(self.model_wrapped)
        if not self.args.should_save:
            return
        precision = torch.bfloat16 if self.args.bf16 else torch.float32
        model = self.accelerator.unwrap_model(self.model_wrapped)
        model.config.dtype = precision
        weights = {
            name: weight.to(precision) if weight.is_floating_point() else weight
            for name, weight in weights.items()
        }
        model.save_pretrained(folder, state_dict=weights)
        self.processing_class.save_pretrained(folder)


class LengthGroupedSampler(Sampler[int]):
    """The order of an epoch: batches of rows of about one length, in random order.

    The longest batch comes first: if memory is short, that shows at once and not in hour three.
    A function of seed and epoch alone, so that a resumed run goes on in the same order.
    """

    def __init__(self, lengths: Sequence[float], batch: int, seed: int) -> None:
        self._lengths = lengths
        self._batch = batch
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        random = Random(f"{self._seed}/{self._epoch}")
        order = random.sample(range(len(self)), len(self))
        last = len(order) % self._batch
        order, rest = order[: len(order) - last], order[len(order) - last :]
        batches = []
        for start in range(0, len(order), _POOL * self._batch):
            pool = sorted(order[start : start + _POOL * self._batch], key=self._lengths.__getitem__)
            batches += [pool[i : i + self._batch] for i in range(0, len(pool), self._batch)]
        batches.sort(key=self._longest, reverse=True)
        longest, *others = batches or [[]]
        random.shuffle(others)
        for batch in [longest, *others, rest]:
            yield from batch

    def _longest(self, batch: list[int]) -> float:
        return max(self._lengths[row] for row in batch)


class LogCallback(TrainerCallback):
    """Hands every line of the log on, and ends a training that has gone wrong."""

    def __init__(self, say: Callable[[dict[str, float]], None]) -> None:
        self._say = say

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,
    ) -> None:
        """Called every `log_every` steps, and at the end with a summary, which is ours to write.

        Raises:
            RefineError: the loss is not a finite number.
        """
        logs: dict[str, float] = kwargs["logs"]
        loss = logs.get("loss", logs.get("eval_loss"))
        if loss is None:
            return
        if state.is_world_process_zero:
            self._say({"step": state.global_step, **{k: float(v) for k, v in logs.items()}})
        if not math.isfinite(loss):
            raise RefineError(
                f"the loss became {loss} at step {state.global_step}: lower the learning rate"
            )


def to_arguments(recipe: SftRecipe) -> SFTConfig:
    """TRL's settings for `recipe`.

    To be made before the model is loaded: under ZeRO-3 they tell transformers to load it in parts.
    """
    return SFTConfig(
        output_dir=str(recipe.out / "checkpoints"),
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps or -1,
        per_device_train_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulate,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=recipe.warmup,
        weight_decay=recipe.weight_decay,
        bf16=recipe.precision == "bfloat16",
        activation_checkpointing=recipe.recompute,
        completion_only_loss=True,
        max_length=None,  # TRL would cut rows at 1024 tokens, in the middle of a picture
        remove_unused_columns=False,  # the columns appear only when a row is opened
        dataloader_num_workers=recipe.workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=recipe.seed,
        logging_steps=recipe.log_every,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # it would show the last good loss instead
        save_strategy="no" if recipe.save_every is None else "steps",
        save_steps=recipe.save_every or 500,
        save_total_limit=None if recipe.keep == "all" else recipe.keep,
        eval_strategy="steps" if recipe.validation else "no",
        eval_steps=recipe.validate_every,
        per_device_eval_batch_size=recipe.batch,
        run_name=recipe.out.name,
        use_cpu=not torch.accelerator.is_available(),
        disable_tqdm=True,
        report_to=list(recipe.trackers),
    )


def estimate_lengths(rows: Sequence[MixtureRow], processor: Any) -> list[float]:
    """About how many tokens each row has, by the rates of 32 of them.

    Exact counts would need every row tokenised and every picture opened before the first step.
    """
    sample = rows[:: max(1, len(rows) // 32)][:32]
    collate = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)
    text = picture = 0
    for row in sample:
        ids = collate([open_row(row)])["input_ids"]
        seen = int((ids == processor.image_token_id).sum())
        text, picture = text + ids.numel() - seen, picture + seen
    by_character = text / max(1, sum(row.characters for row in sample))
    by_image = picture / max(1, sum(row.images for row in sample))
    return [row.characters * by_character + row.images * by_image for row in rows]
