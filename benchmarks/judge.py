"""Judges: an OpenAI-compatible endpoint, and a stand-in that looks at nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field, JsonValue

from rr_refine.benchmarks.question import Question, Reply
from rr_refine.endpoint.completion import Completion
from rr_refine.endpoint.endpoint import Endpoint
from rr_refine.endpoint.options import EndpointOptions
from rr_refine.errors import CriticRefused, CriticTruncated, CriticUnreadable
from rr_refine.plugins import parse_options
from rr_refine.reward.messages import Message
from rr_refine.reward.openai import CRITIC_ERRORS, to_wire
from rr_refine.terms import Identity

if TYPE_CHECKING:
    import httpx2
    from openai.types.chat import ChatCompletionMessageParam

__all__ = ["OpenAIJudge", "OpenAIJudgeOptions", "create"]

_SECTION: Final = "judge"


class OpenAIJudgeOptions(EndpointOptions):
    """How the judge's endpoint is reached and asked."""

    base_url: str = "http://localhost:8080/v1"
    """The root of the API; default: where UniGenBench's own offline judge is served."""
    max_retries: int = Field(default=6, ge=0)
    """Further attempts after a passing fault: rate limits are the rule with hosted judges."""
    concurrency: int = Field(default=16, ge=1)
    """Questions under way at once; the official scripts ask 20 to 32."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """None sends none, as all the official scripts; 0 makes a judge of your own steadier, and its
    numbers no longer those of the tables."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Longest answer; by default as long as the official script allows, where it says so."""
    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the endpoint calls that limit; some hosted models that reason take the second only."""


def create(**options: JsonValue) -> OpenAIJudge:
    """Make the judge from its config section.

    Raises:
        ConfigError: an option is unknown or out of range.
    """
    return OpenAIJudge(parse_options(OpenAIJudgeOptions, options, _SECTION))


class OpenAIJudge:
    """Asks an endpoint. Safe to use from several event loops.

    Args:
        options: the endpoint and how to ask it.
        http_client: makes the HTTP client of an event loop; the client library's own by default.

    Raises:
        ConfigError: the URL or the key cannot be used.
    """

    def __init__(
        self,
        options: OpenAIJudgeOptions,
        *,
        http_client: Callable[[], httpx2.AsyncClient] | None = None,
    ) -> None:
        self._options = options
        self._endpoint = Endpoint(
            options, section=_SECTION, errors=CRITIC_ERRORS, http_client=http_client
        )

    @property
    def identity(self) -> Identity:
        """The model and how it is asked.

        Raises:
            ConfigError: the model is not known yet; await `connect` first, or ask.
        """
        return Identity(
            kind="openai",
            name=self._endpoint.model,
            details={
                "temperature": self._options.temperature,
                "max_tokens": self._options.max_tokens,
            },
        )

    async def connect(self) -> None:
        """Find out which model is served.

        Raises:
            ConfigError: the endpoint serves several models, or does not know the key.
            CriticError: it cannot be asked, or serves none.
        """
        await self._endpoint.connect()

    async def aclose(self) -> None:
        """Close the running event loop's connections. A later call opens them again."""
        await self._endpoint.aclose()

    async def ask(self, question: Question) -> Reply:
        """See `Judge.ask`."""
        # Packing pictures takes a while, in which other questions should move on.
        wire = await asyncio.to_thread(lambda: [to_wire(Message("user", question.content))])
        completion = await self._complete(wire, self._options.max_tokens or question.max_tokens)
        if not completion.choices:
            raise CriticUnreadable(
                f"{self._endpoint.url} sent a completion without any choices",
                completion.model_dump_json(),
            )
        choice = completion.choices[0]
        text = choice.message.content or ""
        if choice.message.refusal or choice.finish_reason == "content_filter":
            said = choice.message.refusal or text
            raise CriticRefused(f"the judge declined to answer: {said.strip()[:200]!r}", said)
        if choice.finish_reason == "length":
            raise CriticTruncated(
                f"the judge's answer was cut off by the token limit: …{text[-200:]!r}; "
                f"raise {_SECTION}.max_tokens",
                text,
            )
        return Reply(text, completion.cost(answers=1))

    async def _complete(
        self, messages: list[ChatCompletionMessageParam], limit: int | None
    ) -> Completion:
        import openai

        temperature = self._options.temperature
        return await self._endpoint.ask(
            Completion,
            lambda client, model: client.chat.completions.with_raw_response.create(
                model=model,
                messages=messages,
                extra_body=None if limit is None else {self._options.limit_name: limit},
                temperature=openai.omit if temperature is None else temperature,
            ),
        )
