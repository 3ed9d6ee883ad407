"""The closed forms of the loss."""

from __future__ import annotations

import pytest
import torch

from rr_refine.training.nft.loss import (
    add_noise,
    drift,
    nft_loss,
    optimality,
    residuals,
    shift_times,
)

torch.manual_seed(0)
SHAPE = (16, 5)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*(shape or SHAPE), dtype=torch.float64)


def plain_nft_loss(
    policy: torch.Tensor, old: torch.Tensor, velocity: torch.Tensor, r: torch.Tensor, beta: float
) -> torch.Tensor:
    """The paper's form per sample, (B,), of which the closed forms are known."""
    plus, minus = (
        one.square().flatten(1).mean(1) for one in residuals(policy, old, velocity, beta)
    )
    return r * plus + (1 - r) * minus


@pytest.mark.parametrize("beta", [0.1, 0.5, 1.0, 2.0])
def test_the_gradient_is_the_weighted_flow_matching_one(beta: float) -> None:
    policy, old, velocity = normal().requires_grad_(), normal(), normal()
    r = torch.rand(SHAPE[0], dtype=torch.float64)
    plain_nft_loss(policy, old, velocity, r, beta).sum().backward()  # type: ignore[no-untyped-call]
    across = r[:, None]
    expected = 2 * beta * (beta * (policy.detach() - old) + (2 * across - 1) * (old - velocity))
    assert policy.grad is not None
    assert (policy.grad * SHAPE[1] - expected).abs().max() < 1e-10


def test_the_minimiser_is_the_theorems() -> None:
    """v* = old + 2 / beta * a (v_pos - old), for a velocity of two values of differing r."""
    count, beta, old = 200_000, 0.5, torch.zeros((), dtype=torch.float64)
    good = torch.rand(count, dtype=torch.float64) < 0.4
    velocity = torch.where(good, 1.0, -0.4 / 0.6) + 0.0 * normal(count)  # its mean is the old one
    r = torch.where(good, 0.9, 0.2)
    policy = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([policy], lr=0.5 / beta**2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = plain_nft_loss(
            policy.expand(count, 1), old.expand(count, 1), velocity[:, None], r, beta
        )
        loss.mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    a = 0.4 * 0.9 + 0.6 * 0.2
    positive = (0.4 * 0.9 * 1.0 + 0.6 * 0.2 * (-0.4 / 0.6)) / a
    assert abs(policy.item() - 2 / beta * a * positive) < 0.1


def test_the_x0_form_is_the_normalised_residual() -> None:
    policy, old, clean, noise = normal(), normal(), normal(), normal()
    t, r = torch.rand(SHAPE[0], dtype=torch.float64), torch.rand(SHAPE[0], dtype=torch.float64)
    velocity, beta, clip = noise - clean, 0.7, 5.0
    noisy = add_noise(clean, noise, t)
    total = torch.zeros(SHAPE[0], dtype=torch.float64)
    for sign, share in ((1, r), (-1, 1 - r)):
        implicit = old + sign * beta * (policy - old)
        wrong = (noisy - t[:, None] * implicit) - clean
        total += share * wrong.square().mean(1) / wrong.abs().mean(1)
        residual = implicit - velocity
        short = t * residual.square().mean(1) / residual.abs().mean(1)
        assert (short - wrong.square().mean(1) / wrong.abs().mean(1)).abs().max() < 1e-12
    loss = nft_loss(policy, old, velocity, t, r, beta=beta, clip=clip)
    assert (loss - clip / beta * total).abs().max() < 1e-10


def test_no_advantage_is_no_gradient() -> None:
    old, velocity = normal(), normal()
    policy = old.clone().requires_grad_()
    t = torch.rand(SHAPE[0], dtype=torch.float64)
    r = optimality(torch.zeros(SHAPE[0], dtype=torch.float64), 5.0)
    nft_loss(policy, old, velocity, t, r, beta=1.0, clip=5.0).sum().backward()  # type: ignore[no-untyped-call]
    assert policy.grad is not None and policy.grad.abs().max() < 1e-10


def test_optimality_is_a_half_at_zero_and_cut_at_the_clip() -> None:
    r = optimality(torch.tensor([-9.0, -5.0, -1.0, 0.0, 2.0, 5.0, 7.0]), 5.0)
    assert r.tolist() == pytest.approx([0, 0, 0.4, 0.5, 0.7, 1, 1])


def test_times_and_drift() -> None:
    assert shift_times(torch.tensor([0.0, 0.5, 1.0]), 3.0).tolist() == [0.0, 0.75, 1.0]
    one = torch.zeros(2, 3)
    assert drift(one, one + 2).tolist() == [4, 4]
