"""One optimiser step's gradient: samples at some times each, in passes of a few samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rr_refine.training.nft.adapters import Adapters
from rr_refine.training.nft.config import NftRecipe
from rr_refine.training.nft.families import Condition, join, predict
from rr_refine.training.nft.loss import add_noise, drift, nft_loss, optimality, shift_times

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Measured", "Sample", "accumulate"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture to learn from."""

    latent: Tensor
    condition: Condition
    advantage: float
    seed: int
    """Of its noise and times."""


@dataclass(slots=True)
class Measured:
    """Sums over what was trained on, and their means."""

    count: int = 0
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, **values: Tensor) -> None:
        """Values of some samples, (B,) each."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.sum())

    @property
    def means(self) -> Mapping[str, float]:
        """By name."""
        return {name: total / max(1, self.count) for name, total in self.sums.items()}


@dataclass(frozen=True, slots=True)
class _Noised:
    """One sample at one time."""

    sample: Sample
    noise: Tensor
    t: float


def accumulate(
    adapters: Adapters,
    samples: Sequence[Sample],
    recipe: NftRecipe,
    *,
    total: int,
    measured: Measured,
) -> None:
    """Add the gradient of the mean loss to the policy's.

    Args:
        total: samples in this optimiser step over all processes, which the mean is over.
        measured: is added to: loss, KL, and the squared lengths of velocities.
    """
    device = next(iter(adapters.policy.values())).device
    for part in _passes(samples, recipe):
        clean = torch.stack([one.sample.latent for one in part]).to(device)
        noise = torch.stack([one.noise for one in part]).to(device)
        t = torch.tensor([one.t for one in part], device=device)
        advantage = torch.tensor([one.sample.advantage for one in part], device=device)
        condition = join([one.sample.condition for one in part])
        noisy, velocity = add_noise(clean, noise, t), noise - clean
        with torch.no_grad(), adapters.use("old"):
            old = predict(adapters.transformer, noisy, t, condition)
        with torch.no_grad(), adapters.use("reference"):
            reference = predict(adapters.transformer, noisy, t, condition)
        policy = predict(adapters.transformer, noisy, t, condition)
        r = optimality(advantage.float(), recipe.clip)
        loss = nft_loss(policy, old, velocity, t, r, beta=recipe.nft_beta, clip=recipe.clip)
        kl = drift(policy, reference)
        total_loss = (loss + recipe.kl_coef * kl).sum() / (total * recipe.timesteps)
        total_loss.backward()  # type: ignore[no-untyped-call]
        measured.count += len(part)
        with torch.no_grad():
            measured.add(
                loss=loss,
                kl=kl,
                moved=drift(policy, old),
                norm=policy.square().flatten(1).mean(1).sqrt()
                / reference.square().flatten(1).mean(1).sqrt(),
            )


def _passes(samples: Sequence[Sample], recipe: NftRecipe) -> Iterator[Sequence[_Noised]]:
    """Samples of like conditions, each at its times, `micro_batch` together."""
    for _, alike in groupby(samples, lambda sample: sample.condition.signature()):
        items = [noised for sample in alike for noised in _noised(sample, recipe)]
        for start in range(0, len(items), recipe.micro_batch):
            yield items[start : start + recipe.micro_batch]


def _noised(sample: Sample, recipe: NftRecipe) -> Iterator[_Noised]:
    """A sample at one time in each equal part of the range, with noise of its own each."""
    random = torch.Generator().manual_seed(sample.seed)
    low, high = recipe.times
    for index in range(recipe.timesteps):
        place = (index + torch.rand(1, generator=random)) / recipe.timesteps
        t = shift_times(low + (high - low) * place, recipe.shift).item()
        yield _Noised(sample, torch.randn(sample.latent.shape, generator=random), t)
