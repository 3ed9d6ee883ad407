"""Whole runs on the fakes: small pictures, no files elsewhere, and components that can break."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from rr_refine.agent.policy import Policy, preset
from rr_refine.agent.refine import arefine
from rr_refine.agent.run import Run
from rr_refine.generators.fake import FakeGenerator, FakeOptions, Outcome
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.fake import FakeCritic, FakeCriticOptions

__all__ = [
    "PROMPT",
    "UnreliableCritic",
    "UnreliableGenerator",
    "generator",
    "policy",
    "run",
]

PROMPT = "three red hats"


def generator(*script: Outcome, seconds: float = 0.0) -> FakeGenerator:
    """A fake generator of small pictures."""
    return FakeGenerator(FakeOptions(width=48, height=32, script=script, seconds=seconds))


def policy(*, rounds: int = 2, **changes: Any) -> Policy:
    """A policy that goes on to its last round, whatever the scores."""
    budget = {"rounds": rounds} | changes.pop("budget", {})
    return preset("refine", **{"target": None, "patience": None} | changes, budget=budget)


async def run(out: Path, prompt: str = PROMPT, **options: Any) -> Run:
    """A run on the fakes, see `arefine`. By its scores the second round's picture wins."""
    given: dict[str, Any] = {
        "generator": generator(),
        "critic": UnreliableCritic(),
        "policy": policy(),
        "on_failure": "return",
    }
    return await arefine(prompt, out=out, **given | options)


class UnreliableCritic(FakeCritic):
    """A fake critic whose calls fail as planned; faults are no part of its identity."""

    def __init__(self, faults: Iterable[Exception | None] = (), *, seed: int = 1) -> None:
        super().__init__(FakeCriticOptions(seed=seed))
        self._faults = iter(faults)
        self.requests: list[CritiqueRequest] = []

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self.requests.append(request)
        fault = next(self._faults, None)
        if fault is not None:
            raise fault
        return await super().critique(request)


class UnreliableGenerator(FakeGenerator):
    """A fake generator whose calls fail as planned, and that remembers what it was asked."""

    def __init__(self, faults: Iterable[Exception | None] = ()) -> None:
        super().__init__(FakeOptions(width=48, height=32))
        self._faults = iter(faults)
        self.requests: list[RenderRequest] = []

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        self.requests.append(request)
        fault = next(self._faults, None)
        if fault is not None:
            raise fault
        return await super().generate(request, on_step=on_step)
