"""A critic behind an OpenAI-compatible chat endpoint: vLLM first, any other that takes images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import Field, JsonValue

from rr_refine.endpoint.chat import ChatEndpoint, Message
from rr_refine.endpoint.completion import Choice
from rr_refine.endpoint.component import EndpointComponent
from rr_refine.endpoint.faults import EndpointErrors
from rr_refine.endpoint.options import ChatOptions
from rr_refine.endpoint.prices import Prices
from rr_refine.errors import (
    CriticError,
    CriticRefused,
    CriticTimeout,
    CriticTruncated,
    CriticUnavailable,
    CriticUnreadable,
)
from rr_refine.plugins import factory
from rr_refine.reward.answer_form import AnswerForm
from rr_refine.reward.judging import Answer, ModelCritic, ModelOptions
from rr_refine.reward.sleep import SleepingServer
from rr_refine.terms import Identity, Usage

if TYPE_CHECKING:
    import httpx2

__all__ = ["CRITIC_ERRORS", "OpenAICritic", "OpenAICriticOptions", "create", "whole_answer"]

_IGNORED: Final = (
    "critic.guided = {!r} was sent and the answer has another form, so the server takes no notice "
    "of it: choose what it knows, or 'off'"
)

CRITIC_ERRORS: Final = EndpointErrors(
    unavailable=CriticUnavailable,
    timeout=CriticTimeout,
    refused=lambda message: CriticRefused(message, message),
    rejected=CriticError,
    unreadable=CriticUnavailable,
    unanswered=lambda message: CriticUnreadable(message, message),
)


class OpenAICriticOptions(ModelOptions, ChatOptions, Prices):
    """How an endpoint is reached and asked."""

    off_switches: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("structured_outputs", "guided_regex", "response_format"), "guided = 'off'"
    )

    base_url: str = "http://localhost:6868/v1"
    """The root of the API; without a path, `/v1` is meant. Default: the official server's port."""
    max_retries: int = Field(default=4, ge=0)
    """Further attempts after a passing fault: a judgement that is lost wastes a render."""
    concurrency: int = Field(default=16, ge=1)
    """Requests under way at once, per event loop; vLLM batches what arrives together."""
    guided: Literal["off", "regex", "guided_regex", "json_schema"] = "off"
    """Have the server hold the answer to its form while it is written, so that it can always be
    read. `regex` is sent as vLLM's `structured_outputs`, `guided_regex` is for vLLM before 0.12,
    `json_schema` is sent as `response_format` to servers that know that. Off by default: a server
    may refuse it or take no notice of it, and in that form every text has one line, where large
    critics write several."""
    sleep_mode: bool = False
    """Put the server to sleep whenever nothing is judged, so that a generator on the same GPU has
    its memory. The server must be started with `rr-refine serve MODEL --sleep-mode`, and for us
    alone."""


class OpenAICritic(EndpointComponent[OpenAICriticOptions, ChatEndpoint], ModelCritic):
    """Judges by asking an endpoint. Safe to use from several event loops.

    Args:
        options: the endpoint and how to ask it.
        http_client: makes the HTTP client of an event loop; the client library's own by default.

    Raises:
        ConfigError: the URL, the key or the template cannot be used.
    """

    _kind = ChatEndpoint
    _section = "critic"
    _errors = CRITIC_ERRORS

    def __init__(
        self,
        options: OpenAICriticOptions,
        *,
        http_client: Callable[[], httpx2.AsyncClient] | None = None,
    ) -> None:
        ModelCritic.__init__(self, options)
        super().__init__(options, http_client=http_client)
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
            details=self._asked
            | ({} if self._options.guided == "off" else {"guided": self._options.guided}),
        )

    async def connect(self) -> None:
        """Find out which model is served; with `sleep_mode`, put the server to sleep."""
        await super().connect()
        if self._sleeping:
            await self._sleeping.sleep()

    async def _too_long(self, messages: tuple[Message, ...]) -> str | None:
        return await self._endpoint.why_too_long(messages, self._options.max_tokens)

    async def _ask(
        self, messages: tuple[Message, ...], samples: int, form: AnswerForm
    ) -> tuple[list[Answer], Usage]:
        guided = self._options.guided
        async with self._sleeping.awake() if self._sleeping else nullcontext():
            choices, usage = await self._endpoint.complete(
                messages,
                self._options.model_dump(include={"temperature", "max_tokens"})
                | _guidance(form)[guided],
                n=samples,
            )
        ignored = "" if guided == "off" else _IGNORED.format(guided)
        return [
            Answer(
                *(one.text, one.truncated, one.cut, one.refused),
                guided=None if guided == "off" else form,
                ignored="" if guided == "json_schema" and _is_json(one.text) else ignored,
            )
            for one in choices
        ], usage


def whole_answer(choice: Choice) -> str:
    """What a judge wrote that is no critic.

    Raises:
        CriticRefused: it declined.
        CriticTruncated: its answer was cut off.
    """
    if choice.refused:
        said = choice.message.refusal or choice.text
        raise CriticRefused(f"the judge declined to answer: {said.strip()[:200]!r}", said)
    if choice.truncated:
        raise CriticTruncated(f"{choice.cut}; it ends in {choice.text[-200:]!r}", choice.text)
    return choice.text


def _guidance(form: AnswerForm) -> dict[str, dict[str, JsonValue]]:
    """The fields of a body that ask for a form, by the values of `guided`."""
    schema: JsonValue = {"name": "judgement", "strict": True, "schema": dict(form.schema)}
    return {
        "off": {},
        "regex": {"structured_outputs": {"regex": form.regex}},
        "guided_regex": {"guided_regex": form.regex},
        "json_schema": {"response_format": {"type": "json_schema", "json_schema": schema}},
    }


def _is_json(text: str) -> bool:
    return text.lstrip().startswith("{")


create = factory(OpenAICritic, OpenAICriticOptions, "critic")
