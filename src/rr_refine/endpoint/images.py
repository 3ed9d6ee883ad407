"""An images endpoint: a prompt, and maybe a picture to edit, in; an image out."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, JsonValue

from rr_refine.endpoint.client import EndpointClient
from rr_refine.pictures import decode_picture, encode_png

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ImagesEndpoint"]

_IMAGE_BYTES_MAX: Final = 64 * 2**20
"""A 4096 x 4096 PNG of noise has 48 MiB."""


class ImageData(BaseModel):
    """An image, in either form."""

    b64_json: str | None = None
    url: str | None = None


class ImagesResponse(BaseModel):
    """The body of an answer."""

    data: list[ImageData] | None = None


class ImagesEndpoint(EndpointClient):
    """The images of an endpoint.

    Text-to-image goes to `POST {base_url}/images/generations`, edits to
    `POST {base_url}/images/edits`.
    """

    async def render(
        self, prompt: str, source: Image.Image | None, fields: Mapping[str, JsonValue]
    ) -> Image.Image:
        """Ask for one image, as upright RGB.

        Args:
            source: the picture to edit; None for text-to-image.
            fields: further fields of the body, such as `size`.

        Raises:
            ConfigError: the key, the model or the URL is wrong (401, 403, 404).
            RefineError: of the kinds given as `errors`; `unanswered` if there is no image.
        """
        path, files = "/images/generations", None
        if source is not None:
            png = await asyncio.to_thread(encode_png, source)
            path, files = "/images/edits", {"image": ("source.png", png, "image/png")}
        response = await self.post(path, {"prompt": prompt, **fields}, ImagesResponse, files)
        found = response.data[0] if response.data else ImageData()
        try:
            if found.b64_json:
                return await asyncio.to_thread(_decode_base64, found.b64_json)
            if found.url:
                content = await self.download(found.url, limit=_IMAGE_BYTES_MAX)
                return await asyncio.to_thread(decode_picture, content)
        except ValueError as error:
            raise self.errors.unreadable(f"{self.url} answered with {error}") from error
        raise self.errors.unanswered(f"{self.url} answered without an image")


def _decode_base64(encoded: str) -> Image.Image:
    # Some servers send a data URL: the part after the comma is the image.
    return decode_picture(base64.b64decode(encoded.rpartition(",")[2]))
