"""Pictures in the answer of a chat, in the form of an images API.

OpenRouter and others have them beside the text, in `images`; some servers among its parts.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, JsonValue

from rr_refine.endpoint.completion import Told

__all__ = ["ChatAnswer"]


class _Message(BaseModel, extra="allow"):
    content: JsonValue = None
    images: JsonValue = None


class _Choice(BaseModel, extra="allow"):
    message: _Message
    finish_reason: JsonValue = None


class ChatAnswer(BaseModel, extra="allow"):
    """The body of an answer."""

    choices: list[_Choice]
    usage: Told = None

    @property
    def pictures(self) -> int:
        """How many its first choice holds."""
        message = self.choices[0].message if self.choices else None
        return (
            sum(1 for p in (message.images, message.content) for _ in _pictures(p))
            if message
            else 0
        )

    def as_images(self) -> dict[str, JsonValue]:
        """The pictures of the first choice, as an images API would send them.

        Without one it has the model's words and whatever else tells why, and an empty list.
        """
        first = self.choices[0] if self.choices else None
        if first is None:
            return {"data": []}
        found = [*_pictures(first.message.images), *_pictures(first.message.content)]
        if found:
            data: list[JsonValue] = [{**one, "finish_reason": first.finish_reason} for one in found]
            return {"data": data}
        return {"data": [], **first.model_dump(exclude={"message": {"images"}})}


def _pictures(parts: JsonValue) -> Iterator[dict[str, JsonValue]]:
    for part in parts if isinstance(parts, list) else ():
        if not isinstance(part, dict):
            continue
        place = part.get("image_url", part.get("url"))
        if isinstance(place, dict):
            place = place.get("url")
        if isinstance(place, str) and place:
            yield {"url": place}
        elif isinstance(encoded := part.get("b64_json"), str):
            yield {"b64_json": encoded}
