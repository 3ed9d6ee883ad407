"""An images endpoint: a prompt, and maybe a picture to edit, in; an image out."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import unquote_to_bytes

from pydantic import AliasChoices, BaseModel, Field, JsonValue

from rr_refine.endpoint.bill import RequestCost
from rr_refine.endpoint.chat import Message, to_wire
from rr_refine.endpoint.chat_images import ChatAnswer
from rr_refine.endpoint.client import EndpointClient, FilePart
from rr_refine.endpoint.completion import CompletionUsage, Told
from rr_refine.endpoint.prices import PicturePrices
from rr_refine.endpoint.spares import Spare
from rr_refine.endpoint.token_bounds import (
    FEWEST_OF_A_PICTURE,
    fewest_tokens,
    most_tokens,
    possible,
)
from rr_refine.endpoint.words import Said
from rr_refine.errors import RefineError
from rr_refine.notices import add_notices, shortened
from rr_refine.pictures import decode_picture, encode_png

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ImagesEndpoint"]

_PERCENT_MAX: Final = 2**21
"""Most characters of a picture in percent signs, which take eighty times that to be read."""
_IMAGE_BYTES_MAX: Final = 64 * 2**20
"""A 4096 x 4096 PNG of noise has 48 MiB."""
_WORDS_MAX: Final = 4000
"""Characters of a prompt that was written anew."""
_WHY: Final = re.compile(r"(?i)filter|reason|block|refus|flag|moderat|safe|polic|status|error")
"""In names of fields that tell why there is no image."""


class ImageData(BaseModel, extra="allow"):
    """An image, in either form."""

    b64_json: str | None = None
    url: str | None = None
    finish_reason: JsonValue = Field(
        None, validation_alias=AliasChoices("finish_reason", "finishReason", "status")
    )
    respect_moderation: JsonValue = None
    revised_prompt: JsonValue = None
    """What was drawn, where the service wrote the prompt anew."""

    @property
    def filtered(self) -> bool:
        """A filter blanked or blurred it."""
        said = {"a": self.finish_reason, "respect_moderation": self.respect_moderation}
        return Said.read(said).topic() == "refused"

    @property
    def is_another(self) -> bool:
        """It is no image at all: a model of a list of models, say."""
        others = self.model_extra or {}
        return self.model_fields_set == others.keys() != set() and not _WHY.search(" ".join(others))


class ImagesResponse(BaseModel, extra="allow"):
    """The body of an answer."""

    data: list[ImageData] | None = None
    usage: Told = None

    @property
    def pictures(self) -> int:
        """How many it holds."""
        return len(self.data or ())


class ImagesEndpoint(EndpointClient):
    """The images of an endpoint.

    Text-to-image goes to `POST {base_url}/images/generations`, edits to
    `POST {base_url}/images/edits`; where the fields hold `modalities`, both go to
    `POST {base_url}/chat/completions`.
    """

    answer_max: ClassVar[int] = _IMAGE_BYTES_MAX // 3 * 4 + 2**20  # in base64

    async def render(
        self,
        prompt: str,
        sources: Sequence[Image.Image],
        fields: Mapping[str, JsonValue],
        *,
        spares: Mapping[str, Spare] | None = None,
    ) -> Image.Image:
        """Ask for one image, as upright RGB.

        Args:
            sources: the pictures to edit, in order; none for text-to-image.
            fields: further fields of the body, such as `size`.
            spares: those that the server need not take, see `EndpointClient.post`.

        Raises:
            ConfigError: the key, the model or the URL is wrong (401, 403, 404).
            RefineError: of the kinds given as `errors`; `unanswered` if there is no image, and
                `refused` if a filter took it, as which an empty list counts too.
        """
        ask = self._by_chat if "modalities" in fields else self._by_form
        response = await ask(prompt, sources, fields, spares)
        found = response.data[0] if response.data else ImageData()
        if found.filtered:
            raise self._declined(response)
        try:
            image = await self._picture(found)
        except ValueError as error:
            raise self.errors.unreadable(f"{self.url} answered with {error}") from error
        if image is None:
            raise self._declined(response)
        drawn = found.revised_prompt
        if isinstance(drawn, str) and drawn.strip() and drawn.split() != prompt.split():
            words = shortened(drawn.strip(), _WORDS_MAX)
            add_notices(image, f"the endpoint wrote the prompt anew and drew: {words}")
        return image

    async def _by_form(
        self,
        prompt: str,
        sources: Sequence[Image.Image],
        fields: Mapping[str, JsonValue],
        spares: Mapping[str, Spare] | None,
    ) -> ImagesResponse:
        path: str = "/images/generations"
        files: list[FilePart] = []
        if sources:
            # The form that services of one picture know; several are a list by another name.
            field = "image" if len(sources) == 1 else "image[]"
            pngs = await asyncio.to_thread(lambda: [encode_png(source) for source in sources])
            names = ["source.png", *(f"source-{number}.png" for number in range(2, len(pngs) + 1))]
            files = [
                (field, (name, png, "image/png")) for name, png in zip(names, pngs, strict=True)
            ]
            path = "/images/edits"
        body = {"prompt": prompt, **fields}
        cost = self._charges(prompt, sources)
        return await self.post(path, body, ImagesResponse, files, spares=spares, cost=cost)

    async def _by_chat(
        self,
        prompt: str,
        sources: Sequence[Image.Image],
        fields: Mapping[str, JsonValue],
        spares: Mapping[str, Spare] | None,
    ) -> ImagesResponse:
        """By a chat whose answer holds pictures."""
        asked = await asyncio.to_thread(to_wire, Message("user", (prompt, *sources)))
        body: dict[str, JsonValue] = {"messages": [asked], **fields}
        cost = self._charges(prompt, sources)
        answer = await self.post("/chat/completions", body, ChatAnswer, spares=spares, cost=cost)
        return ImagesResponse.model_validate(answer.as_images())

    def _charges(
        self, prompt: str, sources: Sequence[Image.Image]
    ) -> RequestCost[ChatAnswer | ImagesResponse]:
        """What a picture costs."""
        question = [Message("user", (prompt, *sources))]
        prices, fewest, most = self.prices, fewest_tokens(question), most_tokens(question)
        if not isinstance(prices, PicturePrices):
            return self._cost(None, lambda _: (None, False))

        def told(answer: ChatAnswer | ImagesResponse) -> tuple[float | None, bool]:
            usage = answer.usage or CompletionUsage()
            if prices.price_told and usage.cost is not None:
                return usage.cost, False
            # A refusal may cost as much as a picture.
            asked = possible(usage.asked, fewest)
            answered = possible(usage.answered, max(1, answer.pictures * FEWEST_OF_A_PICTURE))
            usd = prices.cost(most if asked is None else asked, answered, max(1, answer.pictures))
            return usd, prices.price_told or prices.assumes(asked, answered)

        return self._cost(prices.cost(most, None), told)

    async def _picture(self, found: ImageData) -> Image.Image | None:
        if found.b64_json:
            return await asyncio.to_thread(_decode_base64, found.b64_json)
        if found.url and found.url.startswith("data:"):
            return await asyncio.to_thread(_decode_data_url, found.url)
        if found.url:
            content = await self.download(found.url, limit=_IMAGE_BYTES_MAX)
            return await asyncio.to_thread(decode_picture, content)
        return None

    def _declined(self, response: ImagesResponse) -> RefineError:
        """For an answer without an image, or with one that a filter blanked."""
        told = response.model_dump(
            exclude={"data": {"__all__": {"b64_json", "url", "revised_prompt"}}, "usage": True}
        )
        said = Said.read(told)
        reason = self._faults.clean(said.whole)
        if said.topic() == "refused":
            return self.errors.refused(
                f"{self.url} answered that a filter took the image: {reason}"
            )
        if any(one.is_another for one in response.data or ()):
            sent = response.model_dump_json(exclude_unset=True)
            return self._faults.unreadable(sent.encode(), "no images in it")
        if "data" in response.model_fields_set:
            return self.errors.refused(
                f"{self.url} answered without an image, as filters do{reason and f': {reason}'}"
            )
        return self.errors.unanswered(f"{self.url} answered without an image")


def _decode_base64(encoded: str) -> Image.Image:
    # Some servers send a data URL: the part after the comma is the image. Others use the letters
    # that addresses may hold, and leave the padding out.
    return decode_picture(base64.urlsafe_b64decode(encoded.rpartition(",")[2] + "=="))


def _decode_data_url(url: str) -> Image.Image:
    head, _, content = url.partition(",")
    if head.endswith(";base64"):
        return _decode_base64(content)
    if len(content) > _PERCENT_MAX:
        raise ValueError(f"a picture in percent signs of {len(content) / 2**20:.0f} MiB")
    return decode_picture(unquote_to_bytes(content))
