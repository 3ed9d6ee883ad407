"""Judges: an OpenAI-compatible endpoint, and a stand-in that looks at nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pydantic import Field, JsonValue

from rr_refine.benchmarks.question import Question, Reply
from rr_refine.endpoint.chat import ChatEndpoint, Message
from rr_refine.endpoint.component import EndpointComponent
from rr_refine.endpoint.options import ChatOptions
from rr_refine.errors import CriticRefused, CriticTruncated
from rr_refine.plugins import factory
from rr_refine.reward.openai import CRITIC_ERRORS
from rr_refine.terms import Identity

if TYPE_CHECKING:
    import httpx2

__all__ = ["OpenAIJudge", "OpenAIJudgeOptions", "create"]

_SECTION: Final = "judge"


class OpenAIJudgeOptions(ChatOptions):
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


class OpenAIJudge(EndpointComponent[ChatEndpoint]):
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
        self._endpoint = ChatEndpoint(
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

    async def ask(self, question: Question) -> Reply:
        """See `Judge.ask`."""
        options = self._options
        fields: dict[str, JsonValue] = {
            "temperature": options.temperature,
            "max_tokens": options.max_tokens or question.max_tokens,
        }
        (choice,), usage = await self._endpoint.complete(
            (Message("user", question.content),), fields
        )
        if choice.refused:
            said = choice.message.refusal or choice.text
            raise CriticRefused(f"the judge declined to answer: {said.strip()[:200]!r}", said)
        text = choice.message.content or ""
        if choice.truncated:
            raise CriticTruncated(f"{choice.cut}; it ends in {text[-200:]!r}", text)
        return Reply(text, usage)


create = factory(OpenAIJudge, OpenAIJudgeOptions, _SECTION)
