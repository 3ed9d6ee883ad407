"""Judges: an OpenAI-compatible endpoint, and a stand-in that looks at nothing."""

from __future__ import annotations

from typing import Final

from pydantic import Field, JsonValue

from rr_refine.benchmarks.question import Question, Reply
from rr_refine.endpoint.chat import ChatEndpoint, Message
from rr_refine.endpoint.component import EndpointComponent
from rr_refine.endpoint.options import ChatOptions
from rr_refine.endpoint.prices import Prices
from rr_refine.errors import charged
from rr_refine.plugins import factory
from rr_refine.reward.openai import CRITIC_ERRORS, whole_answer
from rr_refine.terms import Identity

__all__ = ["OpenAIJudge", "OpenAIJudgeOptions", "create"]

_SECTION: Final = "judge"
_TOP: Final = 20
"""Tokens whose likelihood is asked for: the most that vLLM and OpenAI give by default."""


class OpenAIJudgeOptions(ChatOptions, Prices):
    """How the judge's endpoint is reached and asked."""

    base_url: str = "http://localhost:8080/v1"
    """The root of the API; default: where UniGenBench's own offline judge is served."""
    max_retries: int = Field(default=6, ge=0)
    """Further attempts after a passing fault: rate limits are the rule with hosted judges."""
    concurrency: int = Field(default=16, ge=1)
    """Questions under way at once; the official scripts ask 20 to 32."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """By default that of the official script, of which most send none; 0 makes a judge of your own
    steadier, and its numbers no longer those of the tables."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Longest answer; by default as long as the official script allows, where it says so."""
    top_logprobs: int = Field(default=_TOP, ge=1)
    """Tokens whose likelihood is asked for where a benchmark wants it; some servers tell fewer."""


class OpenAIJudge(EndpointComponent[OpenAIJudgeOptions, ChatEndpoint]):
    """Asks an endpoint."""

    _kind = ChatEndpoint
    _section = _SECTION
    _errors = CRITIC_ERRORS

    @property
    def identity(self) -> Identity:
        """The model and how it is asked.

        Raises:
            ConfigError: the model is not known yet; await `connect` first, or ask.
        """
        options = self._options
        details: dict[str, JsonValue] = {
            "temperature": options.temperature,
            "max_tokens": options.max_tokens,
        }
        if options.top_logprobs != _TOP:  # older versions did not know it
            details["top_logprobs"] = options.top_logprobs
        return Identity(kind="openai", name=self._endpoint.model, details=details)

    async def ask(self, question: Question) -> Reply:
        """See `Judge.ask`."""
        options = self._options
        own = options.temperature
        fields: dict[str, JsonValue] = {
            "temperature": question.temperature if own is None else own,
            "max_tokens": options.max_tokens or question.max_tokens,
        }
        if question.likelihoods:
            fields |= {"logprobs": True, "top_logprobs": options.top_logprobs}
        if not question.thoughts:
            fields["chat_template_kwargs"] = {"enable_thinking": False}
        before = (Message("system", (question.system,)),) if question.system else ()
        asked = Message("user", question.content, question.jpeg)
        (choice,), usage = await self._endpoint.complete(
            (*before, asked), fields, as_is=question.may_be_cut
        )
        # One that the server's context cut off has fewer tokens than it was allowed.
        full = usage.completion_tokens >= (question.max_tokens or 0)
        whole = question.may_be_cut and full and choice.truncated
        with charged(usage):
            text = choice.text if whole else whole_answer(choice)
        return Reply(text, usage, choice.first_tokens if question.likelihoods else {})


create = factory(OpenAIJudge, OpenAIJudgeOptions, _SECTION)
