"""Images from any endpoint with OpenAI's images API: vLLM-Omni, SGLang, cloud services.

Text-to-image goes to `POST {base_url}/images/generations`, edits to `POST {base_url}/images/edits`.
"""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import BaseModel, Field, JsonValue, model_validator

from rr_refine.endpoint.endpoint import Endpoint, RawResponse
from rr_refine.endpoint.faults import EndpointErrors
from rr_refine.endpoint.options import EndpointOptions
from rr_refine.errors import (
    GeneratorError,
    GeneratorRefused,
    GeneratorTimeout,
    GeneratorUnavailable,
    UnsupportedRequestError,
)
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.pictures import decode_picture, require_not_blank
from rr_refine.plugins import did_you_mean, parse_options
from rr_refine.terms import Identity, Task

if TYPE_CHECKING:
    import httpx2
    import openai
    from PIL import Image

__all__ = ["ImagesApiGenerator", "ImagesApiOptions", "create"]

_ERRORS: Final = EndpointErrors(
    unavailable=GeneratorUnavailable,
    timeout=GeneratorTimeout,
    refused=GeneratorRefused,
    rejected=UnsupportedRequestError,
    unreadable=GeneratorError,
)

_OWN_FIELDS: Final = frozenset(
    ("prompt", "model", "n", "size", "image", "image[]", "response_format", "stream")
)
"""Fields of the body that are filled from elsewhere, so that they cannot be parameters."""

_KNOWN_PARAMETERS: Final = frozenset(
    (
        "background",
        "guidance_scale",
        "negative_prompt",
        "num_inference_steps",
        "quality",
        "true_cfg_scale",
    )
)
"""What vLLM-Omni, SGLang or OpenAI read. Servers ignore a field they do not know, without a word,
so that a misspelt one must be caught here."""

_IMAGE_BYTES_MAX: Final = 64 * 2**20
"""A 4096 x 4096 PNG of noise has 48 MiB."""

Size = Annotated[str, Field(pattern=r"^([1-9]\d*x[1-9]\d*|auto)$")]


class ImagesApiOptions(EndpointOptions):
    """Options of a generator behind an images API."""

    tasks: frozenset[Task] = Field(frozenset(("t2i", "edit")), min_length=1)
    """What the served model can do; a request for anything else fails before it is sent."""
    size: Size | None = None
    """`WIDTHxHEIGHT` in pixels, or `auto`; null leaves it to the server. A request's `width` and
    `height` go first."""
    seed_field: str | None = "seed"
    """The field of the body that carries the seed. Null for services that take no seed, such as
    OpenAI's: there, the same request gives another image each time."""
    response_format: Literal["b64_json", "url"] | None = "b64_json"
    """How the image comes back. Null sends no such field, for services that refuse it (OpenAI's
    GPT Image models); either form is understood in the answer."""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    """Further fields of every body, such as `guidance_scale`. The names given here may be
    overridden per request too."""

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        for name in self.parameters:
            if name in _OWN_FIELDS or name == self.seed_field:
                raise ValueError(f"`parameters` cannot set {name!r}: the generator does")
        if self.seed_field in _OWN_FIELDS:
            raise ValueError(f"`seed_field` cannot be {self.seed_field!r}")
        return self


class ImagesApiGenerator:
    """Renders through an images API. Safe to use from several event loops.

    Args:
        options: the endpoint and how to ask it.
        http_client: makes the HTTP client of an event loop; the client library's own by default.

    Raises:
        ConfigError: the URL or the key cannot be used.
    """

    def __init__(
        self,
        options: ImagesApiOptions,
        *,
        http_client: Callable[[], httpx2.AsyncClient] | None = None,
    ) -> None:
        self._options = options
        self._endpoint = Endpoint(
            options, section="generator", errors=_ERRORS, http_client=http_client
        )

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
            },
        )

    @property
    def tasks(self) -> frozenset[Task]:
        """What the options say that the served model can do."""
        return self._options.tasks

    @property
    def seeded(self) -> bool:
        """Whether the seed is sent, so that a request can be repeated."""
        return self._options.seed_field is not None

    async def connect(self) -> None:
        """Find out which model is served, so that `identity` is known before the first render.

        Raises:
            ConfigError: the endpoint serves several models, or does not know the key.
            GeneratorError: it cannot be asked, or serves none.
        """
        await self._endpoint.connect()

    async def generate(
        self,
        request: RenderRequest,
        *,
        on_step: OnStep | None = None,  # noqa: ARG002  the API reports no steps
    ) -> Image.Image:
        """Render one image; `on_step` is never called, for the API reports no steps.

        Raises:
            UnsupportedRequestError: the task or a parameter is not supported, here or there (400).
            GeneratorRefused: a moderation or safety system declined.
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
        source = None if request.source is None else await asyncio.to_thread(_png, request.source)

        def send(client: openai.AsyncOpenAI, model: str) -> Awaitable[RawResponse]:
            images = client.images.with_raw_response
            # The SDK lets `extra_body` win over its own arguments, whose types are closed sets.
            if source is None:
                return images.generate(prompt=request.prompt, model=model, extra_body=fields)
            return images.edit(
                image=("source.png", source, "image/png"),
                prompt=request.prompt,
                model=model,
                extra_body=fields,
            )

        return await self._image(await self._endpoint.ask(_Answer, send))

    async def aclose(self) -> None:
        """Close the running event loop's connections. A later call opens them again."""
        await self._endpoint.aclose()

    def _fields(self, request: RenderRequest) -> dict[str, JsonValue]:
        """Everything in the body besides the prompt, the model and the source."""
        options = self._options
        fields = dict(options.parameters)
        if options.response_format is not None:
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
            if type(value) is not int or value < 1:
                raise UnsupportedRequestError(f"{name} = {value!r} is no number of pixels")
        if len(given) == 1:
            raise UnsupportedRequestError(f"{given} needs the other side too: an API takes both")
        return f"{given['width']}x{given['height']}"

    async def _image(self, answer: _Answer) -> Image.Image:
        entry = answer.data[0] if answer.data else _Entry()
        try:
            if entry.b64_json:
                image = await asyncio.to_thread(_decode_base64, entry.b64_json)
            elif entry.url:
                content = await self._endpoint.download(entry.url, limit=_IMAGE_BYTES_MAX)
                image = await asyncio.to_thread(decode_picture, content)
            else:
                raise GeneratorError(f"{self._endpoint.url} answered without an image")
        except ValueError as error:
            raise GeneratorError(f"{self._endpoint.url} answered with {error}") from error
        require_not_blank(image)
        return image


class _Entry(BaseModel):
    b64_json: str | None = None
    url: str | None = None


class _Answer(BaseModel):
    """The body of an answer, in either form."""

    data: list[_Entry] | None = None


def create(**options: JsonValue) -> ImagesApiGenerator:
    """Make a generator from the options of a config section.

    Raises:
        ConfigError: an option is unknown, missing or out of range.
    """
    return ImagesApiGenerator(parse_options(ImagesApiOptions, options, "generator"))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    # Loopback and data-centre links are faster than zlib at its default level.
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _decode_base64(encoded: str) -> Image.Image:
    # Some servers send a data URL: the part after the comma is the image.
    return decode_picture(base64.b64decode(encoded.rpartition(",")[2]))
