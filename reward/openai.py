"""A critic behind an OpenAI-compatible chat endpoint: vLLM first, any other that takes images."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from pydantic import Field, JsonValue

from rr_refine.endpoint.completion import Choice, Completion
from rr_refine.endpoint.endpoint import Endpoint
from rr_refine.endpoint.faults import EndpointErrors
from rr_refine.endpoint.options import EndpointOptions
from rr_refine.errors import (
    CriticError,
    CriticRefused,
    CriticTimeout,
    CriticUnavailable,
    CriticUnreadable,
)
from rr_refine.plugins import parse_options
from rr_refine.reward.judging import Answer, ModelCritic, ModelOptions, gather
from rr_refine.reward.messages import Message, png_data_url
from rr_refine.reward.sleep import SleepingServer
from rr_refine.terms import Identity, Usage

if TYPE_CHECKING:
    import httpx2
    from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionMessageParam

__all__ = ["CRITIC_ERRORS", "OpenAICritic", "OpenAICriticOptions", "create", "to_wire"]

CRITIC_ERRORS: Final = EndpointErrors(
    unavailable=CriticUnavailable,
    timeout=CriticTimeout,
    refused=lambda message: CriticRefused(message, message),
    rejected=CriticError,
    unreadable=CriticUnavailable,
)


class OpenAICriticOptions(ModelOptions, EndpointOptions):
    """How an endpoint is reached and asked."""

    base_url: str = "http://localhost:6868/v1"
    """The root of the API; without a path, `/v1` is meant. Default: the official server's port."""
    max_retries: int = Field(default=4, ge=0)
    """Further attempts after a passing fault: a judgement that is lost wastes a render."""
    concurrency: int = Field(default=16, ge=1)
    """Requests under way at once, per event loop; vLLM batches what arrives together."""
    sleep_mode: bool = False
    """Put the server to sleep whenever nothing is judged, so that a generator on the same GPU has
    its memory. The server must be started with `rr-refine serve MODEL --sleep-mode`, and for us
    alone."""


def create(**options: JsonValue) -> OpenAICritic:
    """Make the critic from its config section.

    Raises:
        ConfigError: an option is unknown or out of range.
    """
    return OpenAICritic(parse_options(OpenAICriticOptions, options, "critic"))


class OpenAICritic(ModelCritic):
    """Judges by asking an endpoint. Safe to use from several event loops.

    Args:
        options: the endpoint and how to ask it.
        http_client: makes the HTTP client of an event loop; the client library's own by default.

    Raises:
        ConfigError: the URL, the key or the template cannot be used.
    """

    def __init__(
        self,
        options: OpenAICriticOptions,
        *,
        http_client: Callable[[], httpx2.AsyncClient] | None = None,
    ) -> None:
        super().__init__(options)
        self._options = options
        self._endpoint = Endpoint(
            options, section="critic", errors=CRITIC_ERRORS, http_client=http_client
        )
        self._sleeping = SleepingServer(self._endpoint) if options.sleep_mode else None

    @property
    def identity(self) -> Identity:
        """The model and how it is asked. The host is left out: it does not change the judgement.

        Raises:
            ConfigError: the model is not known yet; await `connect` first, or judge.
        """
        return Identity(
            kind="openai",
            name=self._endpoint.model,
            details={
                "template": self._template.digest,
                "samples": self._options.samples,
                "temperature": self._options.temperature,
                "max_tokens": self._options.max_tokens,
                "repair": self._options.repair,
            },
        )

    async def connect(self) -> None:
        """Find out which model is served, so that `identity` is known before the first judgement.

        Raises:
            ConfigError: the endpoint serves several models, or does not know the key.
            CriticError: it cannot be asked, or serves none.
        """
        await self._endpoint.connect()
        if self._sleeping:
            await self._sleeping.sleep()

    async def aclose(self) -> None:
        """Close the running event loop's connections. A later call opens them again."""
        await self._endpoint.aclose()

    async def _ask(self, messages: tuple[Message, ...], samples: int) -> tuple[list[Answer], Usage]:
        # Packing pictures takes a while, in which other requests should move on.
        wire = await asyncio.to_thread(lambda: [to_wire(message) for message in messages])
        async with self._sleeping.awake() if self._sleeping else nullcontext():
            return await self._answers(wire, samples)

    async def _answers(
        self, wire: list[ChatCompletionMessageParam], samples: int
    ) -> tuple[list[Answer], Usage]:
        answers, usage = await self._complete(wire, samples)
        if missing := samples - len(answers):
            # Some servers take no notice of n: the rest is asked for one by one.
            more = await gather(*(self._complete(wire, 1) for _ in range(missing)))
            for one, cost in more:
                answers += one
                usage += cost
        return answers, usage

    async def _complete(
        self, messages: list[ChatCompletionMessageParam], samples: int
    ) -> tuple[list[Answer], Usage]:
        """Ask once, for 1 to `samples` answers."""
        completion = await self._endpoint.ask(
            Completion,
            lambda client, model: client.chat.completions.with_raw_response.create(
                model=model,
                messages=messages,
                n=samples,
                temperature=self._options.temperature,
                max_tokens=self._options.max_tokens,
            ),
        )
        answers = [_to_answer(choice) for choice in completion.choices[:samples]]
        if not answers:
            raise CriticUnreadable(
                f"{self._endpoint.url} sent a completion without any choices",
                completion.model_dump_json(),
            )
        return answers, completion.cost(answers=len(answers))


def _to_answer(choice: Choice) -> Answer:
    """An answer with what the server says about its end."""
    return Answer(
        choice.message.content or choice.message.refusal or "",
        truncated=choice.finish_reason == "length",
        refused=bool(choice.message.refusal) or choice.finish_reason == "content_filter",
    )


def to_wire(message: Message) -> ChatCompletionMessageParam:
    """A message in the API's form; pictures become data addresses."""
    if message.role == "system":
        return {"role": "system", "content": message.text}
    if message.role == "assistant":
        return {"role": "assistant", "content": message.text}
    parts: list[ChatCompletionContentPartParam] = []
    for part in message.content:
        if isinstance(part, str):
            parts.append({"type": "text", "text": part})
        else:
            parts.append({"type": "image_url", "image_url": {"url": png_data_url(part)}})
    return {"role": "user", "content": parts}
