"""DiffusionNFT (arXiv 2509.16117), the loop in plain sight.

In each epoch the old policy draws some pictures of each of some rows, the critic judges them, and
the policy is pulled towards those that are better than their group and away from the others. Then
the old policy moves to the policy. All that is random is drawn from seeds made of the recipe's, the
epoch and the row, so that a run that was killed ends with the same weights, as do two processes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from accelerate.utils import broadcast_object_list, gather_object

from rr_refine.files import replace_file
from rr_refine.reward.critic import Critic
from rr_refine.terms import DIMENSIONS
from rr_refine.training.loop import TrainingLoop
from rr_refine.training.nft.adapters import Adapters
from rr_refine.training.nft.advantage import Advantages, advantages
from rr_refine.training.nft.config import NftRecipe
from rr_refine.training.nft.data import NEVER, Stream, TrainingPrompt
from rr_refine.training.nft.evaluation import (
    Best,
    HeldOut,
    Stopped,
    good_rows,
    reason_to_stop,
    values_of,
)
from rr_refine.training.nft.judging import Scorer, TooManyFailures
from rr_refine.training.nft.page import write_page
from rr_refine.training.nft.pipeline import call_arguments, make_accelerator
from rr_refine.training.nft.rollout import Rollout, Sampler, Wanted, seed_of
from rr_refine.training.nft.step import Measured, train_epoch

__all__ = ["NftTrainer"]


class NftTrainer:
    """Trains one pipeline.

    Args:
        pipeline: see `load_pipeline`.
        recipe: how.
        rows, held_out: see `read_rows`.
        critic, judge: the judge of held-out pictures is the critic where there is none.
        out: the folder; a training that is there goes on.
        say: told what happens, in words.
        on_pictures: called with (drawn, wanted) while an epoch is drawn.
    """

    def __init__(
        self,
        pipeline: Any,
        recipe: NftRecipe,
        *,
        rows: Sequence[TrainingPrompt],
        critic: Critic,
        out: Path,
        held_out: Sequence[TrainingPrompt] = (),
        judge: Critic | None = None,
        say: Callable[[str], None] = lambda _: None,
        on_pictures: Callable[[int, int], None] | None = None,
    ) -> None:
        self.recipe, self.out = recipe, out
        self.pipeline, self._rows, self._critic = pipeline, rows, critic
        self._judge, self._say, self._on_pictures = judge, say, on_pictures
        self._accelerator = make_accelerator(recipe, out)
        pipeline.to(self._accelerator.device if recipe.device == "auto" else recipe.device)
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
        self._held_out = HeldOut(
            held_out, out, Best(recipe.guard, recipe.guard_drop), recipe.max_failures
        )
        optimizer = torch.optim.AdamW(
            self.adapters.trained,
            lr=recipe.learning_rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
        )
        self.loop = TrainingLoop(
            out / "policy.pt",
            self.adapters,
            [optimizer],
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
        limits = recipe.concurrency, recipe.patience
        if self._accelerator.is_main_process:
            (self.out / "stopped.json").unlink(missing_ok=True)
        with ExitStack() as stack:
            critic = judge = stack.enter_context(Scorer(self._critic, *limits))
            if self._judge is not None:
                judge = stack.enter_context(Scorer(self._judge, *limits))
            if self.loop.step == 0:
                self._begin(critic, judge)
            for epoch in self.loop:
                numbers = self._stream.take(recipe.groups, epoch)
                if not numbers:
                    return self._finish(
                        "all rows rest, so that nothing is left to train on", undone=1
                    )
                with self.adapters.use("old"):
                    rollout = self._draw(numbers, critic)
                gained = self._advantages(rollout, critic)
                measured = train_epoch(
                    self.adapters, self.loop, recipe, rollout, gained, numbers, self._accelerator
                )
                self.adapters.move_old(
                    min(recipe.old_decay * epoch * recipe.updates, recipe.old_max)
                )
                self._stream.rest(gained.solved, epoch + recipe.rest)
                self._log(rollout, gained, measured, critic)
                if epoch % recipe.evaluate_every == 0 or epoch == recipe.epochs:
                    self._look_at_held_out(judge)
                kl, seconds = measured.means.get("kl", 0.0), self.loop.seconds
                rule = [reason_to_stop(recipe, self._held_out.best, kl, seconds)]
                if reason := broadcast_object_list(rule)[0]:  # clocks and KL differ by process
                    self.loop.save()
                    return self._finish(reason)
        return self._finish(f"all {recipe.epochs} epochs are done")

    def _draw(self, numbers: Sequence[int], critic: Scorer) -> Rollout:
        """Draw and judge the part of an epoch that is for this process: whole groups."""
        own = numbers[self._accelerator.process_index :: self._accelerator.num_processes]
        epoch = self.recipe.seed, self.loop.step, "draw"
        critic.begin()
        wanted = [
            Wanted(self._rows[row], row, seed_of(*epoch, row, image))
            for row in own
            for image in range(self.recipe.images)
        ]
        overlap, told = self.recipe.overlap, self._on_pictures
        return self._sampler.roll_out(wanted, critic, overlap=overlap, on_pictures=told)

    def _advantages(self, rollout: Rollout, critic: Scorer) -> Advantages:
        """Of the pictures of all processes."""
        recipe = self.recipe
        rows = [*zip(rollout.groups.tolist(), rollout.scores.tolist(), strict=True)]
        everybody = gather_object(rows)
        gained = advantages(
            np.array([row for _, row in everybody], dtype=np.float64).reshape(-1, len(DIMENSIONS)),
            np.array([group for group, _ in everybody], dtype=np.int64),
            aggregate=recipe.aggregate,
            weights=self._weights,
            spread=recipe.spread,
            flat_below=recipe.flat_below,
            solved_above=recipe.solved_above,
        )
        if gained.failed > recipe.max_failures:
            self._finish("the critic failed", undone=1)
            raise TooManyFailures(
                f"{gained.failed:.0%} of the critiques of epoch {self.loop.step} failed "
                f"({dict(critic.failures)}), more than max_failures = {recipe.max_failures:.0%}; "
                f"the last: {critic.last or 'in another process'}. What was trained before is "
                "saved, and the same command goes on from there"
            )
        return gained

    def _begin(self, critic: Scorer, judge: Scorer) -> None:
        """Look at what there is before training; leave out rows that are good at once."""
        self._look_at_held_out(judge)
        if (below := self.recipe.initial_below) is not None:
            good = good_rows(self._rows, below, self._sampler, critic, self._accelerator)
            self._stream.rest(good, NEVER)
            self._say(f"{len(good)} of {len(self._rows)} rows are good at once, and left out")

    def _log(
        self, rollout: Rollout, gained: Advantages, measured: Measured, critic: Scorer
    ) -> None:
        """One line of the log, and one for who watches."""
        values = values_of(rollout, gained, critic.parts) | measured.means
        values["resting"] = self._stream.resting
        self.loop.measure(**values)
        self._accelerator.log(values, step=self.loop.step)
        self._say(
            f"epoch {self.loop.step}: reward {values['reward']:.3f}, failed "
            f"{values['failed']:.0%}, KL {values.get('kl', 0):.2g}, "
            f"{sum(rollout.seconds.values()):.0f} s"
        )

    def _look_at_held_out(self, judge: Scorer) -> None:
        if not self._held_out:
            return
        with self.loop.averaged():
            said = self._held_out.look(self.loop.step, self._sampler, judge, self._accelerator)
            if self._accelerator.is_main_process:
                best = self._held_out.best.epoch
                if best == self.loop.step:
                    self.adapters.save(self.pipeline, self.out / "best")
                write_page(self.out, best)
        self._say(f"epoch {self.loop.step}: {said}")

    def _finish(self, reason: str, undone: int = 0) -> Stopped:
        stopped = Stopped(reason, self.loop.step - undone, self._held_out.best.epoch)
        if self._accelerator.is_main_process:
            with self.loop.averaged():
                self.adapters.save(self.pipeline, self.out / "last")
            replace_file(
                self.out / "stopped.json", json.dumps(asdict(stopped)).encode(), durable=False
            )
            write_page(self.out, stopped.best, reason)
        self._accelerator.end_training()
        return stopped

    def state_dict(self) -> dict[str, Any]:
        """What the checkpoint holds beside weights: see `rr_refine.training.loop.Stateful`."""
        return {"stream": self._stream.state_dict(), "best": self._held_out.best.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `state_dict`."""
        self._stream.load_state_dict(state["stream"])
        self._held_out.best.load_state_dict(state["best"])
