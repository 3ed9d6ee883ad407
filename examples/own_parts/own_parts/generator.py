"""A generator: it paints the whole picture in the colours that the request names."""

from __future__ import annotations

from typing import Final

from PIL import Image

from own_parts.critic import COMPANIONS, TONES, asked_tones
from rr_refine.errors import GeneratorError
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.terms import Identity, Task

__all__ = ["TonesGenerator"]

_SIZE: Final = (64, 64)


class TonesGenerator:
    """Each colour word that comes again makes the picture more of that colour."""

    identity = Identity(kind="own-tones", name="own-tones", details={"version": 1})
    tasks: frozenset[Task] = frozenset({"t2i"})
    notice = "paints one plain colour"
    companions = COMPANIONS

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        """See `rr_refine.Generator`."""
        if request.source is not None:
            raise GeneratorError("own-tones cannot edit: give another generator")
        colour = (128, 128, 128)
        for tone in asked_tones(request.prompt):
            red, green, blue = zip(colour, TONES[tone], strict=True)
            colour = (sum(red) // 2, sum(green) // 2, sum(blue) // 2)
        return Image.new("RGB", _SIZE, colour)
