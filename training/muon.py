"""Muon: momentum whose steps on a matrix have all singular values near one."""

from __future__ import annotations

from collections.abc import Iterable

import torch

__all__ = ["Muon"]

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz step (Keller Jordan, kellerjordan.github.io/posts/muon)."""


class Muon(torch.optim.Optimizer):
    """For the matrices of hidden layers; everything else wants AdamW.

    A step is as large as AdamW's would be (Moonlight, arXiv 2502.16982), so that both take one
    learning rate. `torch.optim.Muon` computes in bfloat16, which many CPUs emulate at a fifth of
    the speed; this one computes in the type of the weights.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        *,
        momentum: float = 0.95,
        iterations: int = 5,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "iterations": iterations})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every matrix against its orthogonalised momentum (Nesterov)."""
        assert closure is None
        for group in self.param_groups:
            momentum = group["momentum"]
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum"] = torch.zeros_like(matrix)
                average = state["momentum"].lerp_(matrix.grad, 1 - momentum)
                wanted = matrix.grad.lerp(average, momentum)
                step = _orthogonalised(wanted, group["iterations"])
                matrix.add_(step, alpha=-group["lr"] * 0.2 * max(matrix.shape) ** 0.5)


def _orthogonalised(matrix: torch.Tensor, iterations: int) -> torch.Tensor:
    """`matrix` with its singular values moved close to one."""
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T.contiguous() if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
