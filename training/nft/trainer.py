"""DiffusionNFT (arXiv 2509.16117), the loop in plain sight.

In each epoch the old policy draws some pictures of each of some rows, the critic judges them, and
the policy is pulled towards those that are better than their group and away from the others. Then
the old policy moves to the policy. Nothing but clean latents and scores is kept of a rollout.

All that is random is drawn from seeds made of the recipe's seed, the epoch and the row, so that a
run that is killed and goes on ends with the same weights, as does one on several processes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from numpy.typing import NDArray

from rr_refine.errors import RefineError
from rr_refine.files import replacing
from rr_refine.reward.critic import Critic
from rr_refine.terms import DIMENSIONS
from rr_refine.training.loop import Log, TrainingLoop
from rr_refine.training.nft.adapters import Adapters
from rr_refine.training.nft.advantage import Advantages, Bools, Floats, advantages, kept
from rr_refine.training.nft.config import NftRecipe
from rr_refine.training.nft.data import PromptRow, Stream
from rr_refine.training.nft.evaluation import Best, grid, of_dimension, result_of
from rr_refine.training.nft.judging import Scorer
from rr_refine.training.nft.pipeline import call_arguments
from rr_refine.training.nft.rollout import Rollout, Sampler, Wanted, seed_of, variety
from rr_refine.training.nft.step import Measured, Sample, accumulate

__all__ = ["NftTrainer", "Stopped"]

SHOWN: Final = 12
"""Held-out pictures in the grid."""


@dataclass(frozen=True, slots=True)
class Gained:
    """What the scores of an epoch come to, of all processes."""

    groups: NDArray[np.int64]
    scores: Floats
    advantages: Advantages
    kept: Bools


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why the training ended."""

    reason: str
    epoch: int
    best: int
    """The epoch of the best checkpoint; 0 is the untrained model."""


class TooManyFailures(RefineError):
    """So many critiques of an epoch failed that nothing can be learnt from the others."""


class NftTrainer:
    """Trains one pipeline.

    Args:
        pipeline: see `load_pipeline`.
        recipe: how.
        rows, held_out: see `read_rows`.
        critic, judge: the judge is the critic where the recipe names none.
        out: the folder; a run that is there goes on.
        say: told what happens, in words.
    """

    def __init__(
        self,
        pipeline: Any,
        recipe: NftRecipe,
        *,
        rows: Sequence[PromptRow],
        held_out: Sequence[PromptRow],
        critic: Critic,
        judge: Critic | None,
        out: Path,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.recipe, self.out, self._say = recipe, out, say
        self._pipeline, self._rows, self._held_out = pipeline, rows, held_out
        self._critic, self._judge = critic, judge or critic
        self._accelerator = Accelerator(
            log_with=list(recipe.trackers) or None, project_dir=str(out)
        )
        device = self._accelerator.device if recipe.device == "auto" else recipe.device
        pipeline.to(device)
        self.adapters = Adapters(
            pipeline.transformer,
            rank=recipe.rank,
            alpha=recipe.alpha,
            targets=recipe.targets,
            seed=recipe.seed,
        )
        self._sampler = Sampler(pipeline, call_arguments(pipeline, recipe), recipe.batch)
        self._weights = np.array([recipe.weights.get(name, 1.0) for name in DIMENSIONS])
        self._stream = Stream(len(rows), recipe.seed if recipe.shuffle else None)
        self._best = Best(recipe.guard, recipe.guard_drop)
        self._results = Log(out / "held-out.jsonl")
        self.loop = TrainingLoop(
            out / "policy.pt",
            self.adapters,
            [
                torch.optim.AdamW(
                    self.adapters.trained,
                    lr=recipe.learning_rate,
                    betas=recipe.betas,
                    weight_decay=recipe.weight_decay,
                )
            ],
            steps=recipe.epochs,
            random=Random(recipe.seed),
            warmup=recipe.warmup,
            decay=recipe.average or None,
            log_every=1,
            save_every=1,
            updates=recipe.updates,
            state=self,
            writes=self._accelerator.is_main_process,
        )

    def run(self) -> Stopped:
        """Train to the end, or to the first rule that stops it.

        Raises:
            TooManyFailures: of the critic; what was finished is saved.
            CriticError: the critic cannot be connected to.
        """
        recipe = self.recipe
        with self._scorer(self._critic) as critic, self._scorer(self._judge) as judge:
            if self.loop.step == 0:
                self._evaluate(judge)
            for epoch in self.loop:
                numbers = self._stream.take(recipe.groups, epoch)
                with self.adapters.use("old"):
                    rollout = self._draw(self._own(numbers), critic)
                gained = self._advantages(rollout, critic)
                measured = self._train(rollout, gained, numbers)
                self.adapters.move_old(
                    min(recipe.old_decay * epoch * recipe.updates, recipe.old_max)
                )
                self._stream.rest(gained.advantages.solved, epoch + recipe.rest)
                self._log(rollout, gained, measured)
                if epoch % recipe.evaluate_every == 0 or epoch == recipe.epochs:
                    self._evaluate(judge)
                if reason := self._reason_to_stop(measured):
                    self.loop.save()
                    return self._finish(reason)
        return self._finish(f"all {recipe.epochs} epochs are done")

    def _own(self, rows: Sequence[int]) -> Sequence[int]:
        """This process's part: whole groups."""
        return rows[self._accelerator.process_index :: self._accelerator.num_processes]

    def _draw(self, numbers: Sequence[int], critic: Scorer) -> Rollout:
        """The pictures of an epoch, judged."""
        wanted = [
            Wanted(self._rows[number], number, self._seed("draw", number, image))
            for number in numbers
            for image in range(self.recipe.images)
        ]
        return self._sampler.roll_out(wanted, critic, overlap=self.recipe.overlap)

    def _advantages(self, rollout: Rollout, critic: Scorer) -> Gained:
        """Of the pictures of all processes."""
        recipe = self.recipe
        rows = [*zip(rollout.groups.tolist(), rollout.scores.tolist(), strict=True)]
        everybody = gather_object(rows)
        groups = np.array([group for group, _ in everybody], dtype=np.int64)
        scores = np.array([row for _, row in everybody], dtype=np.float64)
        scores = scores.reshape(len(groups), len(DIMENSIONS))
        gained = advantages(
            scores,
            groups,
            aggregate=recipe.aggregate,
            weights=self._weights,
            spread=recipe.spread,
            flat_below=recipe.flat_below,
            solved_above=recipe.solved_above,
        )
        failed = float(np.isnan(scores).all(axis=1).mean())
        if failed > recipe.max_failures:
            self._finish("the critic failed")
            raise TooManyFailures(
                f"{failed:.0%} of the critiques of epoch {self.loop.step} failed "
                f"({dict(critic.failures)}), more than max_failures = {recipe.max_failures:.0%}; "
                "what was trained before is saved, and the same command goes on from there"
            )
        return Gained(groups, scores, gained, kept(gained, groups, recipe.keep))

    def _train(self, rollout: Rollout, gained: Gained, numbers: Sequence[int]) -> Measured:
        """The optimiser steps of an epoch."""
        recipe, measured, began = self.recipe, Measured(), monotonic()
        # A group's step is told by its place in the epoch, whichever process has it.
        step_of = {row: place * recipe.updates // len(numbers) for place, row in enumerate(numbers)}
        own = np.isin(gained.groups, rollout.groups)
        values, chosen = gained.advantages.values[own], gained.kept[own]
        for step in range(recipe.updates):
            samples = [
                Sample(latent, condition, float(value), self._seed("noise", one.seed))
                for latent, condition, value, use, one in zip(
                    rollout.latents, rollout.conditions, values, chosen, rollout.wanted, strict=True
                )
                if use and step_of[one.number] == step
            ]
            total = sum(step_of[row] == step for row in gained.groups[gained.kept].tolist())
            accumulate(self.adapters, samples, recipe, total=total, measured=measured)
            if total:
                self._add_up_gradients()
            self.loop.apply()
        rollout.seconds["train"] = monotonic() - began
        return measured

    def _add_up_gradients(self) -> None:
        """Sum them over all processes, once per optimiser step."""
        if self._accelerator.num_processes == 1:
            return
        weights = self.adapters.trained
        for weight in weights:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        grads = [weight.grad for weight in weights if weight.grad is not None]
        flat = self._accelerator.reduce(torch.cat([grad.flatten() for grad in grads]), "sum")
        for grad, part in zip(grads, flat.split([grad.numel() for grad in grads]), strict=True):
            grad.copy_(part.view_as(grad))

    def _log(self, rollout: Rollout, gained: Gained, measured: Measured) -> None:
        """One line of the log, and one for who watches."""
        flat, scores = gained.advantages.flat, gained.scores
        values = {
            "reward": float(np.nanmean(gained.advantages.rewards)),
            "spread": float(np.nanstd(gained.advantages.rewards)),
            **of_dimension(scores),
            "variety": variety(rollout),
            "flat": len(flat) / len(np.unique(gained.groups)),
            "failed": float(np.isnan(scores).all(axis=1).mean()),
            "resting": float(self._stream.resting),
            "pictures": float(len(scores)),
            **measured.means,
            **{f"{name}_seconds": seconds for name, seconds in rollout.seconds.items()},
        }
        self.loop.measure(**values)
        self._accelerator.log(values, step=self.loop.step)
        self._say(
            f"epoch {self.loop.step}: reward {values['reward']:.3f}, KL {values.get('kl', 0):.2g}, "
            f"{sum(rollout.seconds.values()):.0f} s"
        )

    @contextmanager
    def _as_judged(self) -> Iterator[None]:
        """Inside of it the policy is its average, if one is kept."""
        average = self.loop.average
        if average is None:
            yield
        else:
            with self.adapters.holding(average[: len(self.adapters.trained)]):
                yield

    def _evaluate(self, judge: Scorer) -> None:
        """Draw the held-out prompts; keep the weights that are best by the judge."""
        if not self._held_out:
            return
        wanted = [Wanted(row, n, seed_of("held-out", n)) for n, row in enumerate(self._held_out)]
        with self._as_judged():
            own = [wanted[number] for number in self._own(range(len(wanted)))]
            rollout = self._sampler.roll_out(own, judge, overlap=self.recipe.overlap)
            everybody = gather_object([*zip(own, rollout.scores.tolist(), strict=True)])
            result = result_of(everybody)
            is_best = self._best.take(result, self.loop.step)
            if not self._accelerator.is_main_process:
                return
            if is_best:
                self.adapters.save(self._pipeline, self.out / "best")
        shown = grid(rollout.pictures[:: max(1, len(own) // SHOWN)][:SHOWN])
        folder = self.out / "grid"
        folder.mkdir(exist_ok=True)
        shown.save(folder / f"{self.loop.step:05}.png")
        self._results(epoch=self.loop.step, **result.flat())
        self._say(f"epoch {self.loop.step}: held-out {result.reward:.3f}{' (best)' * is_best}")

    def _reason_to_stop(self, measured: Measured) -> str | None:
        recipe = self.recipe
        if recipe.seconds is not None and self.loop.seconds > recipe.seconds:
            return f"{recipe.seconds:.0f} seconds are over"
        kl = measured.means.get("kl", 0.0)
        if recipe.max_kl is not None and kl > recipe.max_kl:
            return f"the KL to the untrained model is {kl:.2g}, above max_kl = {recipe.max_kl:.2g}"
        if recipe.falls is not None and self._best.falls >= recipe.falls:
            return (
                f"the judge has fallen short of its best, of epoch {self._best.epoch}, "
                f"{self._best.falls} times in a row"
            )
        return None

    def _finish(self, reason: str) -> Stopped:
        stopped = Stopped(reason, self.loop.step, self._best.epoch)
        if self._accelerator.is_main_process:
            with self._as_judged():
                self.adapters.save(self._pipeline, self.out / "last")
            with replacing(self.out / "stopped.json", durable=False) as file:
                file.write(json.dumps(asdict(stopped)).encode())
        self._accelerator.end_training()
        return stopped

    def _scorer(self, critic: Critic) -> Scorer:
        return Scorer(critic, DIMENSIONS, self.recipe.concurrency, self.recipe.patience)

    def _seed(self, *words: object) -> int:
        return seed_of(self.recipe.seed, self.loop.step, *words)

    def state_dict(self) -> dict[str, Any]:
        """What the checkpoint holds beside weights: see `rr_refine.training.loop.Stateful`."""
        return {"stream": self._stream.state_dict(), "best": self._best.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `state_dict`."""
        self._stream.load_state_dict(state["stream"])
        self._best.load_state_dict(state["best"])
