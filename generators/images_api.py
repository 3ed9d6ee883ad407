"""Images from any endpoint with OpenAI's images API, or with images in a chat."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import Field, JsonValue, model_validator

from rr_refine.endpoint.component import EndpointComponent
from rr_refine.endpoint.faults import EndpointErrors
from rr_refine.endpoint.images import ImagesEndpoint
from rr_refine.endpoint.options import EndpointOptions
from rr_refine.endpoint.prices import PicturePrices
from rr_refine.endpoint.spares import Spare
from rr_refine.errors import (
    GeneratorError,
    GeneratorRefused,
    GeneratorTimeout,
    GeneratorUnavailable,
    UnsupportedRequestError,
)
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.generators.prompt_fit import PromptFit, characters_fit
from rr_refine.notices import add_notices
from rr_refine.pictures import require_not_blank
from rr_refine.plugins import did_you_mean, factory
from rr_refine.redaction import hidden
from rr_refine.terms import Identity, Task

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ImagesApiGenerator", "ImagesApiOptions", "create"]

_ERRORS: Final = EndpointErrors(
    unavailable=GeneratorUnavailable,
    timeout=GeneratorTimeout,
    refused=GeneratorRefused,
    rejected=UnsupportedRequestError,
    unreadable=GeneratorError,
    unanswered=GeneratorError,
    long=GeneratorRefused,  # of two prompts, one may be too long and the other not
)

_OWN_FIELDS: Final = frozenset(
    (
        *("prompt", "model", "n", "size", "image", "image[]", "response_format", "stream"),
        *("messages", "modalities"),
    )
)
"""Fields of the body that are filled from elsewhere, so that they cannot be parameters."""

_KNOWN_PARAMETERS: Final = frozenset(
    (
        "background",
        "guidance_scale",
        "image_config",
        "negative_prompt",
        "num_inference_steps",
        "quality",
        "true_cfg_scale",
    )
)
"""What vLLM-Omni, SGLang, OpenAI or OpenRouter read. Servers ignore a field they do not know,
without a word, so that a misspelt one must be caught here."""

_NO_SIZE: Final = (
    "a chat takes no size in pixels: set generator.parameters = "
    "{ image_config = { aspect_ratio = '16:9' } }, as far as the service knows that"
)

Size = Annotated[str, Field(pattern=r"^([1-9]\d*x[1-9]\d*|auto)$")]


class ImagesApiOptions(EndpointOptions, PicturePrices):
    """Options of a generator behind an images API."""

    tasks: frozenset[Task] = Field(frozenset(("t2i", "edit")), min_length=1)
    """What the served model can do; a request for anything else fails before it is sent."""
    wire: Literal["images", "chat"] = "images"
    """How the service is asked: `images` is OpenAI's images API; `chat` asks for pictures in a chat
    (`/chat/completions` with `modalities`), as OpenRouter and other gateways have it."""
    modalities: tuple[Literal["image", "text"], ...] = Field(("image", "text"), min_length=1)
    """Of the chat form: what the model answers with. Models that give pictures only want
    `["image"]`."""
    size: Size | None = None
    """`WIDTHxHEIGHT` in pixels, or `auto`; null leaves it to the server. A request's `width` and
    `height` go first."""
    strict_size: bool = False
    """Whether an image of another size than was asked for is an error; otherwise it is taken, and
    a notice says so."""
    seed_field: str | None = "seed"
    """The field of the body that carries the seed. Null for services that take no seed, such as
    OpenAI's: there, the same request gives another image each time."""
    response_format: Literal["b64_json", "url"] | None = "b64_json"
    """How the image comes back. Null sends no such field, for services that refuse it (OpenAI's
    GPT Image models); either form is understood in the answer."""
    prompt_limit: int | None = Field(None, ge=1)
    """Most characters of a prompt that the service takes; null where it is unknown. Rewriters are
    then told, and proposals that would lose protected words to it are not used."""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    """Further fields of every body, such as `guidance_scale`. The names given here may be
    overridden per request too."""

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        for name, value in self.parameters.items():
            if hidden(value, name) != value:
                raise ValueError(f"`parameters` are recorded, so {name!r} may hold no secret")
            if name in _OWN_FIELDS or name == self.seed_field:
                raise ValueError(f"`parameters` cannot set {name!r}: the generator does")
        if self.wire == "chat" and (self.size or self.strict_size):
            raise ValueError(f"{_NO_SIZE}; `size` and `strict_size` have no effect")
        if self.wire == "images" and "modalities" in self.model_fields_set:
            raise ValueError("`modalities` has an effect with wire = 'chat' only")
        if self.seed_field in _OWN_FIELDS:
            raise ValueError(f"`seed_field` cannot be {self.seed_field!r}")
        return self


class ImagesApiGenerator(EndpointComponent[ImagesApiOptions, ImagesEndpoint]):
    """Renders through an images API."""

    _kind = ImagesEndpoint
    _section = "generator"
    _errors = _ERRORS

    @cached_property
    def _spares(self) -> dict[str, Spare]:
        spares = {
            "response_format": Spare(
                effect="either form is understood; generator.response_format = null says so from "
                "the start"
            )
        }
        if self._options.seed_field is not None:
            spares[self._options.seed_field] = Spare(
                effect="the same request gives another picture each time; "
                "generator.seed_field = null says so from the start"
            )
        return spares

    @property
    def identity(self) -> Identity:
        """The model and what is sent along. Where it runs is no part of it.

        Raises:
            ConfigError: the model is not known yet; await `connect` first, or render.
        """
        return Identity(
            kind="images-api",
            name=self._endpoint.model,
            details={
                "size": self._options.size,
                "seeded": self.seeded,
                "parameters": self._options.parameters,
                **({"wire": "chat"} if self._options.wire == "chat" else {}),
            },
        )

    @property
    def tasks(self) -> frozenset[Task]:
        """What the options say that the served model can do."""
        return self._options.tasks

    @property
    def takes(self) -> frozenset[str]:
        """A size in the images form; a negative prompt where the options name one: a server that
        knows none would pass over it without a word.
        """
        size = ("width", "height") if self._options.wire == "images" else ()
        return frozenset((*size, *self._options.parameters))

    @property
    def most_sources(self) -> None:
        """Not known here: the service says how many pictures its model takes."""

    @property
    def seeded(self) -> bool:
        """Whether the seed is sent, so that a request can be repeated."""
        return self._options.seed_field is not None

    async def generate(
        self,
        request: RenderRequest,
        *,
        on_step: OnStep | None = None,  # noqa: ARG002  the API reports no steps
    ) -> Image.Image:
        """Render one image; `on_step` is never called, for the API reports no steps.

        Raises:
            UnsupportedRequestError: the task or a parameter is not supported, here or there (400).
            GeneratorRefused: a moderation or safety system declined, or the prompt is too long.
            GeneratorUnavailable: no connection, 429 or a server error, after all retries.
            GeneratorTimeout: no answer in time, after all retries.
            GeneratorError: the answer holds no readable image.
            BlankImageError: the image is all black.
            ConfigError: the key, the model or the URL is wrong (401, 403, 404).
        """
        if request.task not in self.tasks:
            raise UnsupportedRequestError(
                f"the model of {self._endpoint.url} is set up for {sorted(self.tasks)}, "
                f"not for {request.task!r}; see the option `tasks`"
            )
        fields = self._fields(request)
        image = await self._endpoint.render(
            request.prompt, request.sources, fields, spares=self._spares
        )
        self._check_size(image, fields.get("size"))
        require_not_blank(image)
        add_notices(image, *self._endpoint.notices)
        return image

    def _check_size(self, image: Image.Image, asked: JsonValue) -> None:
        got = f"{image.width}x{image.height}"
        if asked in (None, "auto", got):
            return
        text = f"the endpoint answered with {got} pixels where {asked} was asked for"
        if self._options.strict_size:
            raise UnsupportedRequestError(f"{text}; set generator.strict_size = false to take it")
        add_notices(image, text)

    async def fit_prompt(self, request: RenderRequest) -> PromptFit:
        """How much of the prompt the service takes, by the option `prompt_limit`."""
        return characters_fit(request.prompt, self._options.prompt_limit)

    def _fields(self, request: RenderRequest) -> dict[str, JsonValue]:
        """Everything in the body besides the prompt, the model and the source."""
        options = self._options
        fields = dict(options.parameters)
        if options.wire == "chat":
            fields["modalities"] = list(options.modalities)
        elif options.response_format is not None:
            fields["response_format"] = options.response_format
        if options.seed_field is not None:
            fields[options.seed_field] = request.seed
        for name, value in request.parameters.items():
            if name in ("width", "height"):
                continue
            if name not in _KNOWN_PARAMETERS and name not in options.parameters:
                known = sorted({"width", "height", *_KNOWN_PARAMETERS, *options.parameters})
                raise UnsupportedRequestError(
                    f"unknown parameter {name!r}{did_you_mean(name, known)}; known are "
                    f"{', '.join(known)}, and what the option `parameters` names"
                )
            fields[name] = value
        if (size := self._size(request.parameters)) is not None:
            fields["size"] = size
        return fields

    def _size(self, parameters: Mapping[str, JsonValue]) -> str | None:
        given = {name: parameters[name] for name in ("width", "height") if name in parameters}
        if not given:
            return self._options.size
        for name, value in given.items():
            if self._options.wire == "chat":
                raise UnsupportedRequestError(f"{name} = {value!r}: {_NO_SIZE}")
            if type(value) is not int or value < 1:
                raise UnsupportedRequestError(f"{name} = {value!r} is no number of pixels")
        if len(given) == 1:
            raise UnsupportedRequestError(f"{given} needs the other side too: an API takes both")
        return f"{given['width']}x{given['height']}"


create = factory(ImagesApiGenerator, ImagesApiOptions, "generator")
