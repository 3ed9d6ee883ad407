"""Chat completions as servers really send them, read into one form.

What is missing or odd beside the answer itself (usage, log-probabilities, the reason of the end)
never costs the answer. Names are the API's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    Field,
    JsonValue,
    PrivateAttr,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import ValidationError

from rr_refine.endpoint.words import Said
from rr_refine.plain_text import whole_number

__all__ = ["ChatCompletion", "Choice", "CompletionUsage", "Told", "json_of"]

_ENDS: Final = ("", "stop", "eos", "eos_token", "end_turn", "stop_sequence")
"""Reasons of an end that the model itself chose."""

_BREAKS: Final = ("error", "network_error", "insufficient_system_resource")
"""Reasons of an end that are a fault of the server."""

_THOUGHTS: Final = ("thinking", "reasoning", "thought", "redacted_thinking", "reasoning_content")
"""Types of parts of a content that are no answer."""

_TOKENS: Final = 10**9
"""Most tokens of a question and its answers; a server that tells more tells nothing."""

_DOLLARS: Final = 10_000
"""Most that an answer is believed to cost."""

_ROUNDED: Final = 0.01
"""By how much probabilities may pass 1, and their logarithms 0: servers round."""

_BEFORE: Final = re.compile(r"\A(?:[\ufeff \t\r\n]++|(?::|//|#|event:|id:|retry:)[^\n]*+)++")
"""Lines of a stream, and blanks, that stand before its data."""


def json_of(body: bytes) -> bytes:
    """The JSON in a body, without what servers put before it: a byte order mark, comments and
    keep-alive lines of an event stream, and the `data:` of a stream with a single event.
    """
    text = _BEFORE.sub("", body.decode(json.detect_encoding(body), errors="replace"), count=1)
    if text.startswith("data:"):
        lines = (line for line in text.splitlines() if line.startswith("data:"))
        text = "".join(line.removeprefix("data:") for line in lines if "[DONE]" not in line)
    return text.rstrip().encode(errors="replace")


def _or_none(value: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(value)
    except ValidationError:
        return None


def _at_most_certain(logprob: float) -> float:
    return min(logprob, 0.0)


def _joined(content: object) -> object:
    """A content in parts as one text; thoughts are no part of the answer."""
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        return content
    return "".join(map(_text_of, content))


def _text_of(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping) or part.get("type") in _THOUGHTS or part.get("thought"):
        return ""
    text = part.get("text", part.get("content", ""))
    text = text.get("value", "") if isinstance(text, Mapping) else text
    return text if isinstance(text, str) else ""


def _thoughts(value: object) -> object:
    """Thoughts are only counted, so any form will do."""
    return value if isinstance(value, str) else "" if not value else json.dumps(value, default=str)


def _reason(value: object) -> object:
    """A reason as a word; some servers send a table or a number."""
    if isinstance(value, Mapping):
        value = value.get("type") or value.get("reason") or "unknown"
    return value if value is None else str(value)[:100]


class ChatCompletionMessage(BaseModel):
    """What the model wrote."""

    content: Annotated[str | None, BeforeValidator(_joined)] = None
    refusal: Annotated[str | None, WrapValidator(_or_none)] = None
    thoughts: Annotated[str, BeforeValidator(_thoughts)] = Field(
        "", validation_alias=AliasChoices("reasoning_content", "reasoning", "thinking")
    )


class TopLogprob(BaseModel):
    """A token that could have stood at a position of the answer."""

    token: str
    logprob: Annotated[float, AfterValidator(_at_most_certain)] = Field(
        le=_ROUNDED, allow_inf_nan=False
    )


class TokenLogprob(TopLogprob):
    """A position of the answer: the token that stands there, and the most likely ones."""

    top_logprobs: list[TopLogprob] = []


class ChoiceLogprobs(BaseModel):
    """How likely the tokens of an answer were; there if it was asked for."""

    content: list[TokenLogprob] | None = None


class Choice(BaseModel):
    """One answer."""

    message: ChatCompletionMessage
    finish_reason: Annotated[str | None, BeforeValidator(_reason)] = None
    logprobs: Annotated[ChoiceLogprobs | None, WrapValidator(_or_none)] = None
    error: JsonValue = None
    _cut: str = PrivateAttr("")

    @property
    def cut(self) -> str:
        """Why it was cut off and what to do, in a clause; empty for a whole one."""
        return self._cut

    def explain(self, cut: str) -> None:
        """Say what cut it off."""
        self._cut = cut

    @property
    def text(self) -> str:
        """Its words, or those of the refusal."""
        return self.message.content or self.message.refusal or ""

    @property
    def first_tokens(self) -> dict[str, float]:
        """Log-probabilities of the tokens that could have been its first, with the one that is;
        nothing where the server does not tell, or tells what together is more than certain.
        """
        first = ((self.logprobs.content if self.logprobs else None) or [])[:1]
        found = {own.token: own.logprob for one in first for own in (one, *one.top_logprobs)}
        return found if math.fsum(map(math.exp, found.values())) <= 1 + _ROUNDED else {}

    @property
    def _end(self) -> str:
        return (self.finish_reason or "").lower()

    @property
    def refused(self) -> bool:
        """The model, or a filter behind it, declined."""
        end = Said.read(self._end.replace("-", "_"))
        return bool(self.message.refusal) or self._end == "refusal" or end.topic() == "refused"

    @property
    def broken(self) -> bool:
        """A fault of the server ended it."""
        return self._end in _BREAKS or bool(self.error)

    @property
    def truncated(self) -> bool:
        """It ended before the model had come to an end: at the token limit, mostly."""
        return not (self._end in _ENDS or self.refused or self.broken)

    @property
    def only_thoughts(self) -> bool:
        """All that was written counts as thoughts; there is no answer."""
        return not self.text.strip() and bool(self.message.thoughts.strip())


def _count(value: object) -> object:
    """A number of tokens; anything else is unknown, and so is one that no answer has."""
    if isinstance(value, str):
        value = whole_number(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _TOKENS else None


class CompletionUsage(BaseModel):
    """What the answers cost together; the question is counted once. None is unknown."""

    prompt_tokens: Annotated[int | None, BeforeValidator(_count)] = Field(
        None, validation_alias=AliasChoices("prompt_tokens", "input_tokens")
    )
    completion_tokens: Annotated[int | None, BeforeValidator(_count)] = Field(
        None, validation_alias=AliasChoices("completion_tokens", "output_tokens")
    )
    total_tokens: Annotated[int | None, BeforeValidator(_count)] = None
    cost: Annotated[
        float | None, Field(ge=0, le=_DOLLARS, allow_inf_nan=False), WrapValidator(_or_none)
    ] = None
    """What was charged, in the service's own unit."""

    @property
    def asked(self) -> int | None:
        """Tokens of the question; zero, which no question has, is unknown too."""
        if not self.prompt_tokens and self.total_tokens and self.completion_tokens:
            return max(0, self.total_tokens - self.completion_tokens) or None
        return self.prompt_tokens or None

    @property
    def answered(self) -> int | None:
        """Tokens of the answers."""
        if self.completion_tokens is None and self.total_tokens and self.prompt_tokens:
            return max(0, self.total_tokens - self.prompt_tokens)
        return self.completion_tokens


Told: TypeAlias = Annotated[CompletionUsage | None, WrapValidator(_or_none)]
"""What an answer cost; None where the server does not tell, or tells it in another form."""


class ChatCompletion(BaseModel):
    """The response to a question."""

    choices: list[Choice]
    usage: Told = None
