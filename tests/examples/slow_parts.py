"""A generator and a critic that mostly sleep, so that a run takes a while and little work."""

from __future__ import annotations

import asyncio
import os

from PIL import Image

from rr_refine.generators.fake import FakeGenerator, FakeOptions
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.fake import FakeCritic

SECONDS = float(os.environ.get("SLOW_SECONDS", "0.05"))
"""Of each render, and of each judgement."""


class SlowGenerator(FakeGenerator):
    """Small pictures, each of which is in a log when it is begun and when it is done."""

    def __init__(self) -> None:
        super().__init__(
            FakeOptions(width=32, height=32, seconds=SECONDS, log=os.environ.get("SLOW_LOG"))
        )

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        """A word in the prompt makes it fail."""
        if "impossible" in request.prompt:
            raise ZeroDivisionError("api_key=sk-123456789 is no key for " + request.prompt)
        return await super().generate(request, on_step=on_step)


class SlowCritic(FakeCritic):
    """It sleeps first."""

    async def critique(self, request: CritiqueRequest) -> Assessment:
        await asyncio.sleep(SECONDS)
        return await super().critique(request)
