"""Values that are no numbers are an error, wherever in the picture they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from rr_refine.errors import GeneratorError, UnsupportedRequestError
from rr_refine.generators.diffusers import DiffusersGenerator, RenderOptions
from rr_refine.generators.diffusers.output import pictures_of
from rr_refine.generators.generator import RenderRequest
from tests.generators.diffusers import tiny

OPTIONS = RenderOptions(steps=1, width=32, height=32)


@pytest.mark.parametrize("name", ["FluxPipeline", "StableDiffusionPipeline", "SanaPipeline"])
async def test_half_a_picture_of_nan(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = tiny.build(name)
    generator = DiffusersGenerator.from_pipeline(pipeline, name="tiny", options=OPTIONS)
    await generator.generate(RenderRequest("a cat", 1))
    real = type(pipeline.vae).decode

    def overflowing(self: Any, *arguments: Any, **options: Any) -> Any:
        decoded = real(self, *arguments, **options)
        values = decoded[0]
        values[..., : values.shape[-1] // 2] = float("nan")
        return decoded

    monkeypatch.setattr(type(pipeline.vae), "decode", overflowing)
    with pytest.raises(GeneratorError, match=r"50\.0% of the picture's values are no numbers"):
        await generator.generate(RenderRequest("a cat", 1))


async def test_the_pictures_are_those_that_the_pipeline_makes() -> None:
    pipeline = tiny.build("FluxPipeline")
    generator = DiffusersGenerator.from_pipeline(pipeline, name="tiny", options=OPTIONS)
    image = await generator.generate(RenderRequest("a cat", 1))
    values = np.asarray(image, dtype=np.float32)[None] / 255
    (own,) = pipeline.image_processor.numpy_to_pil(values)
    made = pictures_of(values, "x")
    assert isinstance(made, list)
    assert own.tobytes() == made[0].tobytes() == image.tobytes()


def test_other_outputs_come_back_as_they_are() -> None:
    made = [Image.new("RGB", (2, 2))]
    assert pictures_of(made, "x") is made
    assert pictures_of(None, "x") is None


@pytest.mark.parametrize("name", ["FluxKontextPipeline", "QwenImageEditPipeline"])
@pytest.mark.parametrize("size", [(300, 3), (3, 300), (1, 1)])
async def test_a_tiny_source_is_refused_in_words(name: str, size: tuple[int, int]) -> None:
    generator = DiffusersGenerator.from_pipeline(
        tiny.build(name), name="tiny", options=RenderOptions(steps=1)
    )
    source = Image.new("RGB", size, "red")
    with pytest.raises(UnsupportedRequestError, match=f"{size[0]}x{size[1]} pixels: .* or more on"):
        await generator.generate(RenderRequest("make it blue", 1, source))


async def test_a_source_that_an_option_makes_tiny_is_refused_too() -> None:
    generator = DiffusersGenerator.from_pipeline(
        tiny.build("FluxKontextPipeline"), name="tiny", options=RenderOptions(steps=1, max_side=40)
    )
    source = Image.new("RGB", (4000, 100), "red")
    with pytest.raises(UnsupportedRequestError, match="goes in with 40x1 pixels"):
        await generator.generate(RenderRequest("make it blue", 1, source))
