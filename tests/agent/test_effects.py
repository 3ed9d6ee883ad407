from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from rr_refine.agent.refine import arefine
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.critic import CritiqueRequest
from tests.agent.builders import ScriptedCritic, ScriptedGenerator, critique, t2i


class OtherModes(ScriptedGenerator):
    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        return (await super().generate(request)).convert(self._mode)


class Looking(ScriptedCritic):
    def __init__(self) -> None:
        super().__init__({(0, 0): critique(t2i(4.0, 4.0))})
        self.modes: list[str] = []

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self.modes.append(request.image.mode)
        request.image.putpixel((0, 0), (0, 0, 255))  # which the plan goes by
        return await super().critique(request)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "CMYK", "HSV", "P", "I", "F"])
async def test_a_picture_of_any_mode_is_stored_and_judged_as_rgb(tmp_path: Path, mode: str) -> None:
    critic = Looking()
    run = await arefine(
        "a cat", out=tmp_path, generator=OtherModes(mode), critic=critic, policy="one-shot"
    )
    assert critic.modes == ["RGB"]
    assert run.incumbent is not None
    assert run.image(run.incumbent).mode == "RGB"
