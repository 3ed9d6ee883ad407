from __future__ import annotations

import functools
from typing import Any

from rr_refine.generators.contract import GeneratorContract
from rr_refine.generators.diffusers import DiffusersGenerator, RenderOptions
from rr_refine.generators.generator import Generator
from tests.generators.diffusers import tiny


@functools.cache
def pipeline(name: str) -> Any:
    return tiny.build(name)


class TestFlux(GeneratorContract):
    parameters = {"steps": 2}

    def make_generator(self) -> Generator:
        return DiffusersGenerator.from_pipeline(
            pipeline("FluxPipeline"),
            name="tiny",
            edit_pipeline="FluxKontextPipeline",
            options=RenderOptions(width=32, height=32),
        )


class TestQwenImage(GeneratorContract):
    parameters = {"steps": 2, "width": 32, "height": 32}

    def make_generator(self) -> Generator:
        return DiffusersGenerator.from_pipeline(pipeline("QwenImagePipeline"), name="tiny")
