"""Bring your own generator, and check it with the contract tests that ours pass.

python examples/own_generator.py
pytest examples/own_generator.py
"""

from __future__ import annotations

from PIL import Image, ImageDraw

from rr_refine import refine
from rr_refine.errors import UnsupportedRequestError
from rr_refine.generators.contract import GeneratorContract
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.terms import Identity, Task


class StripesGenerator:
    """One stripe per word of the prompt."""

    identity = Identity(kind="example", name="stripes")
    tasks: frozenset[Task] = frozenset({"t2i"})

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        if request.task not in self.tasks:
            raise UnsupportedRequestError("stripes cannot edit a picture")
        if request.parameters:
            raise UnsupportedRequestError(
                f"stripes take no parameters: {sorted(request.parameters)}"
            )
        image = Image.new("RGB", (128, 128), (request.seed % 200 + 55, 90, 90))
        pen = ImageDraw.Draw(image)
        words = request.prompt.split()[:12]
        for index, word in enumerate(words):
            shade = 40 + 200 * (sum(map(ord, word)) % 97) // 97
            pen.rectangle((0, 10 * index, 127, 10 * index + 6), fill=(shade, shade, 255 - shade))
            if on_step is not None:
                on_step(index + 1, len(words))
        return image


class TestStripes(GeneratorContract):
    """All promises of a generator, checked by pytest."""

    def make_generator(self) -> StripesGenerator:
        return StripesGenerator()


if __name__ == "__main__":
    run = refine("four green stripes on white", generator=StripesGenerator(), critic="fake")
    print(run.result_path)
