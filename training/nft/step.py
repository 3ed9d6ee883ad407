"""The optimiser steps of an epoch: samples at some times each, in passes of a few samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rr_refine.training.loop import TrainingLoop
from rr_refine.training.nft.adapters import Adapters
from rr_refine.training.nft.advantage import Advantages
from rr_refine.training.nft.config import NftRecipe
from rr_refine.training.nft.families import Condition, join, predict
from rr_refine.training.nft.loss import add_noise, drift, nft_loss, optimality, shift_times
from rr_refine.training.nft.rollout import Rollout, seed_of

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Measured", "TrainingSample", "accumulate", "train_epoch"]


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """One picture to learn from."""

    latent: Tensor
    condition: Condition
    advantage: float
    seed: int
    """Of its noise and times."""


class Measured:
    """Means of what was trained on, by name."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, **values: Tensor) -> None:
        """Values of some samples, (B,) each."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value.sum())
            self._counts[name] = self._counts.get(name, 0) + len(value)

    @property
    def means(self) -> dict[str, float]:
        """By name."""
        return {name: total / self._counts[name] for name, total in self._sums.items()}


@dataclass(frozen=True, slots=True)
class _Noised:
    """One sample at one time."""

    sample: TrainingSample
    noise: Tensor
    t: float


def train_epoch(
    adapters: Adapters,
    loop: TrainingLoop,
    recipe: NftRecipe,
    rollout: Rollout,
    gained: Advantages,
    numbers: Sequence[int],
    processes: Accelerator,
) -> Measured:
    """Train on a rollout.

    Args:
        rollout: of this process.
        gained: of the pictures of all processes, those of this one in the rollout's order.
        numbers: the epoch's rows. A group's step is told by its place among them, whichever
            process has it.
    """
    measured, began = Measured(), monotonic()
    step_of = {row: place * recipe.updates // len(numbers) for place, row in enumerate(numbers)}
    kept, own = gained.kept(recipe.keep), np.isin(gained.groups, rollout.groups)
    samples: list[list[TrainingSample]] = [[] for _ in range(recipe.updates)]
    for one, latent, condition, value, use in zip(
        *(rollout.wanted, rollout.latents, rollout.conditions),
        *(gained.values[own], kept[own]),
        strict=True,
    ):
        if use:
            seed = seed_of("noise", one.seed)
            samples[step_of[one.number]].append(
                TrainingSample(latent, condition, float(value), seed)
            )
    for step, mine in enumerate(samples):
        total = sum(step_of[row] == step for row in gained.groups[kept].tolist())
        accumulate(adapters, mine, recipe, total=total, measured=measured)
        if total and processes.num_processes > 1:
            _add_up_gradients(adapters, processes)
        loop.apply()
    rollout.seconds["train"] = monotonic() - began
    return measured


def _add_up_gradients(adapters: Adapters, processes: Accelerator) -> None:
    """Sum them over all processes, once per optimiser step: adapters are small."""
    for weight in adapters.trained:
        grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        weight.grad = processes.reduce(grad, "sum")


def accumulate(
    adapters: Adapters,
    samples: Sequence[TrainingSample],
    recipe: NftRecipe,
    *,
    total: int,
    measured: Measured,
) -> None:
    """Add the gradient of the mean loss to the policy's.

    Args:
        total: samples in this optimiser step over all processes, which the mean is over.
        measured: is told loss, KL, how far the policy moved, and by how much its velocities are
            longer than the untrained model's.
    """
    device = next(iter(adapters.policy.values())).device
    for index, part in enumerate(_passes(samples, recipe)):
        clean = torch.stack([one.sample.latent for one in part]).to(device)
        noise = torch.stack([one.noise for one in part]).to(device)
        t = torch.tensor([one.t for one in part], device=device)
        advantage = torch.tensor([one.sample.advantage for one in part], device=device)
        condition = join([one.sample.condition for one in part])
        noisy, velocity = add_noise(clean, noise, t), noise - clean
        with torch.no_grad(), adapters.use("old"):
            old = predict(adapters.transformer, noisy, t, condition)
        policy = predict(adapters.transformer, noisy, t, condition)
        r = optimality(advantage.float(), recipe.clip)
        loss = nft_loss(policy, old, velocity, t, r, beta=recipe.nft_beta, clip=recipe.clip)
        measured.add(loss=loss.detach(), moved=drift(policy.detach(), old))
        if recipe.kl_coef or not index:  # else it is seen once, to be logged
            with torch.no_grad(), adapters.use("reference"):
                reference = predict(adapters.transformer, noisy, t, condition)
            kl = drift(policy, reference)
            loss = loss + recipe.kl_coef * kl
            measured.add(kl=kl.detach(), norm=_length(policy.detach()) / _length(reference))
        mean = loss.sum() / (total * recipe.timesteps)
        mean.backward()  # type: ignore[no-untyped-call]


def _length(velocity: Tensor) -> Tensor:
    return velocity.square().flatten(1).mean(dim=1).sqrt()


def _passes(samples: Sequence[TrainingSample], recipe: NftRecipe) -> Iterator[Sequence[_Noised]]:
    """Samples of like conditions, each at its times, `micro_batch` together."""
    for _, alike in groupby(samples, lambda sample: sample.condition.signature()):
        items = [noised for sample in alike for noised in _noised(sample, recipe)]
        for start in range(0, len(items), recipe.micro_batch):
            yield items[start : start + recipe.micro_batch]


def _noised(sample: TrainingSample, recipe: NftRecipe) -> Iterator[_Noised]:
    """A sample at one time in each equal part of the range, with noise of its own each."""
    random = torch.Generator().manual_seed(sample.seed)
    low, high = recipe.times
    for index in range(recipe.timesteps):
        place = (index + torch.rand(1, generator=random)) / recipe.timesteps
        t = shift_times(low + (high - low) * place, recipe.shift).item()
        yield _Noised(sample, torch.randn(sample.latent.shape, generator=random), t)
