"""The loss of DiffusionNFT (arXiv 2509.16117) and what belongs to it: pure functions of tensors.

Rectified flow: x_t = (1 - t) x0 + t e, with the velocity v = e - x0, so that x0 = x_t - t v. For a
sample whose chance to be optimal is r, the policy's velocity p and the old policy's o make two
implicit policies, v+ = (1 - beta) o + beta p and v- = (1 + beta) o - beta p, and the loss is
r |v+ - v|^2 + (1 - r) |v- - v|^2. Its gradient by p is
2 beta (beta (p - o) + (2 r - 1)(o - v)): flow matching weighted by the advantage, of both signs,
and a pull to the old policy. Its value says nothing of progress: at p = o it does not depend on r.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["add_noise", "drift", "nft_loss", "optimality", "residuals", "shift_times"]

_FLOOR: Final = 1e-5
"""Least mean residual that a sample is divided by."""


def optimality(advantage: Tensor, clip: float) -> Tensor:
    """The chance to be optimal, in [0, 1]: 1/2 at no advantage, 0 and 1 at -clip and +clip.

    Args:
        advantage: (B,).
        clip: above 0.
    """
    return (0.5 + advantage / (2 * clip)).clamp(0, 1)


def add_noise(clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """x_t of latents (B, …) and noise of that shape at times (B,) in [0, 1]."""
    t = _across(t, clean)
    return (1 - t) * clean + t * noise


def shift_times(t: Tensor, shift: float) -> Tensor:
    """Times moved towards noise, as samplers do for large pictures (SD3, arXiv 2403.03206)."""
    return shift * t / (1 + (shift - 1) * t)


def nft_loss(
    policy: Tensor, old: Tensor, velocity: Tensor, t: Tensor, r: Tensor, *, beta: float, clip: float
) -> Tensor:
    """The form that is trained with, per sample, (B,), in float32 or what it is given.

    It compares predictions of x0, each divided by its mean absolute residual, which stabilises it
    (NVlabs/DiffusionNFT#13). Since x0+ - x0 = -t (v+ - v), that is
    t |v+ - v|^2 / mean |v+ - v|. Scaled by clip / beta, so that the gradient's size depends on
    neither.

    Args:
        policy: what the trained policy predicts, (B, …).
        old: what the old policy predicts, without gradient.
        velocity: e - x0.
        t: times, (B,).
        r: the chance to be optimal, (B,).
        beta: how far the implicit policies stand from the old one.
    """
    plus, minus = residuals(policy, old, velocity, beta)
    return clip / beta * (r * _normalised(plus, t) + (1 - r) * _normalised(minus, t))


def drift(one: Tensor, other: Tensor) -> Tensor:
    """Mean squared distance of two predictions per sample, (B,): the KL of the policies, but for a
    factor that depends on t.
    """
    return _mean((one - other).square())


def residuals(policy: Tensor, old: Tensor, velocity: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """v+ - v and v- - v; see `nft_loss`."""
    difference, error = beta * (policy - old), old - velocity
    return error + difference, error - difference


def _normalised(residual: Tensor, t: Tensor) -> Tensor:
    size = (t * _mean(residual.detach().abs().double())).clamp(min=_FLOOR)
    return t.square() * _mean(residual.square()) / size.to(residual.dtype)


def _mean(values: Tensor) -> Tensor:
    return values.flatten(1).mean(dim=1)


def _across(t: Tensor, like: Tensor) -> Tensor:
    return t.reshape(-1, *[1] * (like.ndim - 1))
