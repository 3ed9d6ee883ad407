"""A chat endpoint: messages with pictures in, answers and their cost out.

The client library takes any JSON for a completion, so an answer is checked by models of our own,
under the API's names.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, JsonValue

from rr_refine.batching import gather
from rr_refine.endpoint.client import EndpointClient
from rr_refine.pictures import encode_png
from rr_refine.terms import Usage

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ChatEndpoint", "Choice", "Content", "Message", "png_data_url"]

Content = tuple["str | Image.Image", ...]
"""Texts and RGB images, in order."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    content: Content
    """No two texts in a row: they are one, so that no chat template can put anything between."""

    @property
    def text(self) -> str:
        """Its words without its images."""
        return "".join(part for part in self.content if isinstance(part, str))


class ChatCompletionMessage(BaseModel):
    """What the model wrote."""

    content: str | None = None
    refusal: str | None = None


class TopLogprob(BaseModel):
    """A token that could have stood at a position of the answer."""

    token: str
    logprob: float


class TokenLogprob(TopLogprob):
    """A position of the answer: the token that stands there, and the most likely ones."""

    top_logprobs: list[TopLogprob] = []


class ChoiceLogprobs(BaseModel):
    """How likely the tokens of an answer were; there if it was asked for."""

    content: list[TokenLogprob] | None = None


class Choice(BaseModel):
    """One answer."""

    message: ChatCompletionMessage
    finish_reason: str | None = None
    logprobs: ChoiceLogprobs | None = None

    @property
    def text(self) -> str:
        """Its words, or those of the refusal."""
        return self.message.content or self.message.refusal or ""

    @property
    def refused(self) -> bool:
        """The model, or a filter behind it, declined."""
        return bool(self.message.refusal) or self.finish_reason == "content_filter"

    @property
    def truncated(self) -> bool:
        """The token limit ended it."""
        return self.finish_reason == "length"


class CompletionUsage(BaseModel):
    """What the answers cost together; the question is counted once."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class ChatCompletion(BaseModel):
    """The response to a question."""

    choices: list[Choice]
    usage: CompletionUsage | None = None


class ChatEndpoint(EndpointClient):
    """The chat completions of an endpoint: `POST {base_url}/chat/completions`."""

    async def complete(
        self,
        messages: Sequence[Message],
        fields: Mapping[str, JsonValue],
        *,
        n: int | None = None,
    ) -> tuple[list[Choice], Usage]:
        """Ask for independent answers; gives them and what they cost.

        Args:
            fields: further fields of the body (`temperature`, `max_tokens`, …); one that is None
                is not sent.
            n: how many; None is one, and sends no such field.

        Raises:
            ConfigError: the key, the model or the URL is wrong (401, 403, 404).
            RefineError: of the kinds given as `errors`; `unanswered` if there is no choice.
        """
        # Packing pictures takes a while, in which other requests should move on.
        packed: list[JsonValue] = await asyncio.to_thread(lambda: [*map(_to_wire, messages)])
        body = {"messages": packed, "n": n, **fields}
        body = {name: value for name, value in body.items() if value is not None}
        choices, usage = await self._ask(body, n or 1)
        if missing := (n or 1) - len(choices):
            # Some servers take no notice of n: the rest is asked for one by one.
            more = await gather(*(self._ask(body | {"n": 1}, 1) for _ in range(missing)))
            for one, cost in more:
                choices += one
                usage += cost
        return choices, usage

    async def _ask(self, body: dict[str, JsonValue], wanted: int) -> tuple[list[Choice], Usage]:
        """Ask once, for 1 to `wanted` answers."""
        completion = await self.post("/chat/completions", body, ChatCompletion)
        choices = completion.choices[:wanted]
        if not choices:
            raise self.errors.unanswered(f"{self.url} sent a completion without any choices")
        tokens = completion.usage or CompletionUsage()
        return choices, Usage(calls=len(choices), **tokens.model_dump())


def png_data_url(image: Image.Image) -> str:
    """The image as a lossless `data:image/png;base64,…` address."""
    return f"data:image/png;base64,{base64.b64encode(encode_png(image)).decode('ascii')}"


def _to_wire(message: Message) -> dict[str, JsonValue]:
    """A message in the API's form; pictures become data addresses."""
    parts: list[JsonValue] = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": png_data_url(part)}}
        for part in message.content
    ]
    # The plain form, where it is enough, is the one that every server and chat template knows.
    is_text = all(isinstance(part, str) for part in message.content)
    return {"role": message.role, "content": message.text if is_text else parts}
