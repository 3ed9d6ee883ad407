"""The bundled generator: a small Flux model that draws coloured shapes, and edits them."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import Field, JsonValue

from rr_refine.errors import ConfigError
from rr_refine.generators.diffusers import DiffusersGenerator, DiffusersOptions, LoraOptions
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.generators.prompt_fit import PromptFit
from rr_refine.notices import add_notices
from rr_refine.plugins import parse_options
from rr_refine.sketch.framing import frame
from rr_refine.sketch.limits import ShapesOnly
from rr_refine.sketch.world.drawing import SIDE
from rr_refine.terms import Given, Identity, Task

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MAX_TOKENS", "WEIGHTS", "SketchGenerator", "SketchGeneratorOptions", "create"]

WEIGHTS: Final = Path(__file__).parent / "weights" / "generator"
"""The folder in the package; stock `FluxPipeline.from_pretrained` loads it."""
MAX_TOKENS: Final = 40
"""Tokens that the T5 encoder sees, padding included."""


class SketchGeneratorOptions(Given):
    """What can be said about the bundled generator."""

    model: Path | None = None
    """A folder that `rr-refine train sketch` made, in place of the bundled one."""
    steps: int = Field(default=16, ge=1, le=1000)
    """Inference steps. More change little."""
    true_cfg_scale: float = Field(default=2.5, ge=1.0)
    """Classifier-free guidance; 1 turns it off and halves the time."""
    device: str = "auto"
    """`auto` (an accelerator if there is one), or a torch device."""
    lora: Path | None = None
    """A LoRA on top of it, such as `rr-refine train nft` makes: a file, or its folder."""
    batch: int = Field(default=1, ge=1, le=64)
    """Most images in one call; 1 repeats an image to the last bit, more is faster for many."""


def create(**options: JsonValue) -> SketchGenerator:
    """Make the generator from its config section; loads no weights.

    Raises:
        ConfigError: an unknown or wrong option, or no weights in the folder.
        MissingExtraError: torch or diffusers are not installed.
    """
    return SketchGenerator(parse_options(SketchGeneratorOptions, options, "generator"))


class SketchGenerator(ShapesOnly):
    """A `DiffusersGenerator` set up for the sketch models: 128 x 128 pixels, one device.

    Args:
        options: what differs from the bundled set-up.

    Raises:
        ConfigError: no weights in the folder.
        MissingExtraError: torch or diffusers are not installed.
    """

    def __init__(self, options: SketchGeneratorOptions | None = None) -> None:
        options = options or SketchGeneratorOptions()
        folder = options.model or WEIGHTS
        if not (folder / "model_index.json").is_file():
            raise ConfigError(
                f"generator.model: no sketch generator in {str(folder)!r}; "
                "make one with rr-refine train sketch"
            )
        self._bundled = options.model is None
        self._diffusers = DiffusersGenerator(
            DiffusersOptions(
                model=str(folder),
                edit_pipeline="FluxKontextPipeline",
                device=options.device,
                dtype="float32",
                batch=options.batch,
                lora=(LoraOptions(model=str(options.lora)),) if options.lora else (),
                width=SIDE,
                height=SIDE,
                steps=options.steps,
                true_cfg_scale=options.true_cfg_scale,
                negative_prompt="" if options.true_cfg_scale > 1 else None,
                parameters={"max_sequence_length": MAX_TOKENS},
                quiet=True,
            )
        )

    @cached_property
    def identity(self) -> Identity:
        """That of the diffusers generator; the bundled weights are named `sketch`, not by path."""
        identity = self._diffusers.identity
        return identity.model_copy(update={"name": "sketch"}) if self._bundled else identity

    @property
    def tasks(self) -> frozenset[Task]:
        """Text-to-image and edits."""
        return self._diffusers.tasks

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        """Render one 128 x 128 image; an edit has the proportions of its source, see `framing`.

        Raises:
            GeneratorError: see `DiffusersGenerator.generate`.
        """
        if request.source is None:
            return await self._diffusers.generate(request, on_step=on_step)
        framed = frame(request.source)
        request = replace(request, source=framed.image)
        drawn = await self._diffusers.generate(request, on_step=on_step)
        image = framed.cut_out(drawn)
        image.info = dict(drawn.info)
        add_notices(image, *framed.notices)
        return image

    async def fit_prompt(self, request: RenderRequest) -> PromptFit:
        """How the encoders take the prompt.

        Raises:
            GeneratorError: see `DiffusersGenerator.generate`.
        """
        source = None if request.source is None else frame(request.source).image
        return await self._diffusers.fit_prompt(replace(request, source=source))
