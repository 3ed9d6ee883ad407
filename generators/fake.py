"""A generator without a model: placeholder pictures at once, and faults on demand.

It stands in for a model wherever the machinery around it is the subject: tests, examples, and a
first look at the loop on a machine without a GPU. Its pictures say what they are.
"""

from __future__ import annotations

import asyncio
import colorsys
import itertools
import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field, JsonValue

from rr_refine.digest import digest, image_digest
from rr_refine.errors import (
    GeneratorError,
    GeneratorRefused,
    GeneratorTimeout,
    GeneratorUnavailable,
    OutOfMemoryError,
    UnsupportedRequestError,
)
from rr_refine.files import open_file
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.generators.prompt_fit import PromptFit, characters_fit
from rr_refine.pictures import require_not_blank
from rr_refine.plugins import did_you_mean, factory
from rr_refine.terms import Given, Identity, Task

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["FakeGenerator", "FakeOptions", "Outcome", "create"]

Outcome = Literal["ok", "oom", "black", "hang", "error", "refused", "timeout", "unavailable"]
"""How a scripted call ends. `hang` ends only by cancellation; each other fault is a typed error."""

_FAULTS: Final[dict[Outcome, GeneratorError]] = {
    "oom": OutOfMemoryError("scripted fault: the device ran out of memory"),
    "error": GeneratorError("scripted fault: the render failed"),
    "refused": GeneratorRefused("scripted fault: the request was refused"),
    "timeout": GeneratorTimeout("scripted fault: the render took too long"),
    "unavailable": GeneratorUnavailable("scripted fault: the generator cannot be reached"),
}

_SIDE_MIN, _SIDE_MAX = 16, 4096


class FakeOptions(Given):
    """Options of the fake generator."""

    width: int = Field(512, ge=_SIDE_MIN, le=_SIDE_MAX)
    """Pixels; a request's `width` goes first. An edit has the size of its source."""
    height: int = Field(512, ge=_SIDE_MIN, le=_SIDE_MAX)
    """Pixels; a request's `height` goes first."""
    seconds: float = Field(0.0, ge=0.0)
    """How long a render takes."""
    steps: int = Field(4, ge=1)
    """Steps that a render reports, evenly over `seconds`."""
    prompt_limit: int | None = Field(None, ge=1)
    """Characters of a prompt that the drawing depends on; null is all."""
    script: tuple[Outcome, ...] = ()
    """How the first calls end, in the order in which they start; all later ones are `ok`."""
    log: str | None = None
    """Path of a JSON Lines file that gets a line when a render starts and one when it ends, however
    it ends; a start without an end is a render that was killed."""


class FakeGenerator:
    """Draws an abstract pattern that depends on the request alone.

    The same prompt, seed, sources and size give the same pixels on every machine with the same
    Pillow; anything else gives a different pattern.

    Args:
        options: size, pace, script and log; the defaults draw at once and never fail.
    """

    def __init__(self, options: FakeOptions | None = None) -> None:
        self._options = options or FakeOptions()
        self._script = iter(self._options.script)
        self._log_path = Path(self._options.log) if self._options.log else None
        self._calls = itertools.count(1)

    @property
    def identity(self) -> Identity:
        """The drawing code's version and the default size; pace and faults change no picture."""
        limit = self._options.prompt_limit
        return Identity(
            kind="fake",
            name="fake",
            details={
                "version": 1,
                "width": self._options.width,
                "height": self._options.height,
                **({} if limit is None else {"prompt_limit": limit}),
            },
        )

    @property
    def tasks(self) -> frozenset[Task]:
        """Both."""
        return frozenset(("t2i", "edit"))

    @property
    def takes(self) -> frozenset[str]:
        """It takes a size."""
        return frozenset(("width", "height"))

    @property
    def most_sources(self) -> int | None:
        """Any number."""
        return None

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        """Draw the request's placeholder, or fail as the script says.

        Raises:
            UnsupportedRequestError: a parameter other than a sensible `width` or `height`.
            GeneratorError: of the scripted kind.
        """
        size = self._size(request)
        call = next(self._calls)
        planned: Outcome = next(self._script, "ok")
        entry: dict[str, JsonValue] = {
            "call": call,
            "task": request.task,
            "prompt": request.prompt,
            "seed": request.seed,
        }
        self._log({"event": "start", **entry})
        outcome: str = "cancelled"
        try:
            image = await self._render(request, size, planned, on_step)
            outcome = "ok"
            return image
        except GeneratorError:
            outcome = planned
            raise
        finally:
            self._log({"event": "end", **entry, "outcome": outcome})

    async def fit_prompt(self, request: RenderRequest) -> PromptFit:
        """How much of the prompt the drawing depends on."""
        fit = characters_fit(request.prompt, self._options.prompt_limit)
        read = request.prompt[: self._options.prompt_limit]
        return fit.model_copy(update={"reads": digest({"prompt": read})})

    async def _render(
        self,
        request: RenderRequest,
        size: tuple[int, int],
        planned: Outcome,
        on_step: OnStep | None,
    ) -> Image.Image:
        if planned == "hang":
            await asyncio.Event().wait()
        if planned in _FAULTS:
            fault = _FAULTS[planned]
            raise type(fault)(*fault.args)
        steps = self._options.steps
        for step in range(1, steps + 1):
            await asyncio.sleep(self._options.seconds / steps)
            if on_step is not None:
                on_step(step, steps)
        read = replace(request, prompt=request.prompt[: self._options.prompt_limit])
        image = await asyncio.to_thread(_draw, read, size)
        if planned == "black":
            image.paste((0, 0, 0), (0, 0, *image.size))
        require_not_blank(image)
        return image

    def _size(self, request: RenderRequest) -> tuple[int, int]:
        width, height = self._options.width, self._options.height
        if request.source is not None:
            width, height = request.source.size
        sides = {"width": width, "height": height}
        for name, value in request.parameters.items():
            if name not in sides:
                raise UnsupportedRequestError(
                    f"the fake generator takes no parameter {name!r}"
                    f"{did_you_mean(name, list(sides))}; it takes width and height"
                )
            if type(value) is not int or not _SIDE_MIN <= value <= _SIDE_MAX:
                raise UnsupportedRequestError(
                    f"{name} = {value!r} is no whole number of {_SIDE_MIN} to {_SIDE_MAX} pixels"
                )
            sides[name] = value
        return sides["width"], sides["height"]

    def _log(self, entry: dict[str, JsonValue]) -> None:
        if self._log_path is None:
            return
        # One write to a file opened for appending: lines of several processes do not mix.
        with open_file(self._log_path, "rb+") as file:
            file.write(json.dumps(entry).encode() + b"\n")


create = factory(FakeGenerator, FakeOptions, "generator")


def _draw(request: RenderRequest, size: tuple[int, int]) -> Image.Image:
    from PIL import Image

    source, more = request.source, request.more_sources
    name = digest(
        {
            "prompt": request.prompt,
            "seed": request.seed,
            "size": list(size),
            "source": None if source is None else image_digest(source),
            **({"more": [image_digest(one) for one in more]} if more else {}),
        }
    )
    random = Random(int(name, 16))
    hue = random.random()
    if source is None:
        image = _gradient(random, hue, size)
        _add_discs(image, random, hue, count=7)
    else:
        image = source.convert("RGB").resize(size)
        image = Image.blend(image, Image.new("RGB", size, _colour(hue, 0.5)), 0.25)
        _add_discs(image, random, hue, count=2)
    _add_label(image, request.prompt)
    return image


def _colour(hue: float, lightness: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(hue % 1.0, lightness, 0.6)
    return round(255 * red), round(255 * green), round(255 * blue)


def _gradient(random: Random, hue: float, size: tuple[int, int]) -> Image.Image:
    from PIL import Image, ImageOps

    turned = Image.linear_gradient("L").rotate(random.uniform(0, 360), Image.Resampling.BICUBIC)
    # The largest square that is free of the corners which turning leaves empty.
    smooth = turned.crop((38, 38, 218, 218)).resize(size, Image.Resampling.BICUBIC)
    return ImageOps.colorize(smooth, _colour(hue, 0.25), _colour(hue + 0.15, 0.75))


def _add_discs(image: Image.Image, random: Random, hue: float, *, count: int) -> None:
    from PIL import Image, ImageDraw, ImageFilter

    for _ in range(count):
        disc = Image.new("L", (128, 128))
        ImageDraw.Draw(disc).ellipse((24, 24, 104, 104), fill=round(random.uniform(120, 220)))
        disc = disc.filter(ImageFilter.GaussianBlur(random.choice((1, 4, 12))))
        side = max(1, round(min(image.size) * random.uniform(0.3, 1.2)))
        disc = disc.resize((side, side), Image.Resampling.BICUBIC)
        colour = _colour(hue + random.uniform(-0.2, 0.2), random.uniform(0.4, 0.8))
        x, y = (round(random.random() * extent - side / 2) for extent in image.size)
        image.paste(colour, (x, y), disc)


def _add_label(image: Image.Image, prompt: str) -> None:
    """Write what this is into a corner. The bundled font knows Latin letters only."""
    from PIL import ImageDraw, ImageFont

    shown = "".join(c if c.isprintable() and ord(c) < 256 else " " for c in prompt[:400])
    text = " · ".join(["fake generator", *filter(None, [" ".join(shown.split()[:6])[:48]])])
    size = max(9, image.height // 32)
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(image, "RGBA")
    top = image.height - 2 * size
    draw.rectangle((0, top, image.width, image.height), fill=(0, 0, 0, 190))
    draw.text((size // 2, top + size // 3), text, font=font, fill=(255, 255, 255, 230))
