"""A chat endpoint: messages with pictures in, answers and their cost out.

Critic, rewriter, judge and teacher all ask through it, so what servers do otherwise than the API
says is dealt with here. What was done about it is in the `notices` of the usage.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, Field, JsonValue

from rr_refine.batching import gather
from rr_refine.endpoint.client import EndpointClient
from rr_refine.endpoint.completion import ChatCompletion, Choice, CompletionUsage
from rr_refine.endpoint.faults import EndpointErrors
from rr_refine.endpoint.options import ChatOptions
from rr_refine.endpoint.spares import Spare
from rr_refine.endpoint.token_bounds import fewest_of, fewest_tokens, most_tokens, possible
from rr_refine.endpoint.words import Said
from rr_refine.errors import RefineError, charged
from rr_refine.pictures import encode_jpeg, encode_png
from rr_refine.terms import Usage

if TYPE_CHECKING:
    import httpx2
    from PIL import Image

__all__ = ["ChatEndpoint", "Choice", "Content", "Message", "png_data_url", "to_wire"]

_LIMITS: Final = ("max_tokens", "max_completion_tokens")

_AGAIN: Final = 0.7
"""Temperature of the second attempt after an endless repetition: the default of most servers."""

_LOOP: Final = 400
"""Characters at the end of an answer that say the same again and again."""

Content = tuple["str | Image.Image", ...]
"""Texts and RGB images, in order."""


class _Count(BaseModel):
    """The answer of `/tokenize`."""

    count: int = Field(ge=0)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    content: Content
    """No two texts in a row: they are one, so that no chat template can put anything between."""
    jpeg: int | None = None
    """Quality, 1 to 95, of its pictures as JPEG; None sends them as PNG, without loss."""

    @property
    def text(self) -> str:
        """Its words without its images."""
        return "".join(part for part in self.content if isinstance(part, str))


@dataclass(frozen=True, slots=True)
class _Bounds:
    """How many tokens a question can have."""

    fewest: int
    most: int


def _bounds(messages: Sequence[Message]) -> _Bounds:
    return _Bounds(fewest_tokens(messages), most_tokens(messages))


class ChatEndpoint(EndpointClient):
    """The chat completions of an endpoint: `POST {base_url}/chat/completions`.

    Args: as for `EndpointClient`.
    """

    def __init__(
        self,
        options: ChatOptions,
        *,
        section: str,
        errors: EndpointErrors,
        http_client: Callable[[], httpx2.AsyncClient] | None = None,
    ) -> None:
        super().__init__(options, section=section, errors=errors, http_client=http_client)
        self._limit_name = options.limit_name
        self._spares = {
            "max_tokens": Spare(
                "max_completion_tokens",
                f"{section}.limit_name = 'max_completion_tokens' says so from the start",
            ),
            "max_completion_tokens": Spare(
                "max_tokens", f"{section}.limit_name = 'max_tokens' says so from the start"
            ),
            "temperature": Spare(
                effect=f"the server's own holds; {section}.temperature = null says so from the "
                "start"
            ),
            "n": Spare(effect="several answers are asked for one by one"),
            "chat_template_kwargs": Spare(effect="a model that thinks does so before it answers"),
        }

    async def complete(
        self,
        messages: Sequence[Message],
        fields: Mapping[str, JsonValue],
        *,
        n: int | None = None,
        as_is: bool = False,
    ) -> tuple[list[Choice], Usage]:
        """Ask for independent answers; gives them and what they cost.

        An answer that was cut off in an endless repetition is asked for once more, at a
        temperature above 0, unless it is wanted `as_is`.

        Args:
            fields: further fields of the body (`temperature`, `max_tokens`, …); one that is None
                is not sent.
            n: how many; None is one, and sends no such field.

        Raises:
            ConfigError: the key, the model or the URL is wrong (401, 403, 404).
            RefineError: of the kinds given as `errors`; `unanswered` if there is no choice, or only
                thoughts.
        """
        # Packing pictures takes a while, in which other requests should move on.
        packed: list[JsonValue] = await asyncio.to_thread(lambda: [*map(to_wire, messages)])
        named = {(self._limit_name if k in _LIMITS else k): v for k, v in fields.items()}
        body = {"messages": packed, "n": n, **named}
        body = {name: value for name, value in body.items() if value is not None}
        bounds = await asyncio.to_thread(_bounds, messages)
        choices, usage = await self._ask(body, n or 1, bounds)
        if missing := (n or 1) - len(choices):
            # Some servers take no notice of n: the rest is asked for one by one.
            alone = body | {"n": 1}
            with charged(usage):
                more = await gather(*(self._ask(alone, 1, bounds) for _ in range(missing)))
            for one, cost in more:
                choices += one
                usage += cost
        for i, choice in enumerate(choices):
            if not as_is and choice.truncated and _is_endless(choice.text):
                warmer = max(_AGAIN, _number(body.get("temperature")))
                again = body | {"n": None if n is None else 1, "temperature": warmer}
                again = {name: value for name, value in again.items() if value is not None}
                with charged(usage):
                    (choices[i],), cost = await self._ask(again, 1, bounds)
                told = "an answer repeated itself without end, and was asked for once more"
                usage += cost + Usage(notices=(f"{told} at temperature {warmer:g}",))
        return choices, usage

    async def why_too_long(self, messages: Sequence[Message], limit: int) -> str | None:
        """Why a question and its answer have no room in the server, with what to do.

        None where they have, or it is not known: only servers that list `max_model_len` and count
        tokens (vLLM, SGLang) tell. Pictures count as nothing, since every model scales its own way.

        Args:
            limit: tokens that the answer may have.
        """
        context = self.context
        if context is None or most_tokens(messages) + limit <= context:
            return None
        asked = 1
        if limit < context:
            text = "".join(message.text for message in messages)
            try:
                counted = await self.post(self._beside("tokenize"), {"prompt": text}, _Count)
            except RefineError:
                return None  # not every server counts
            asked = counted.count
        if asked + limit <= context:
            return None
        name = f"{self._section}.max_tokens"
        words = f"the words of the question have {asked}, and " if asked > 1 else ""
        return (
            f"the endpoint takes {context} tokens (max_model_len): {words}the answer may have "
            f"{limit} ({name}); start the server with a larger max_model_len, or "
            + (f"lower {name}, or shorten the prompt" if words else f"lower {name}")
        )

    async def _ask(
        self, body: dict[str, JsonValue], wanted: int, bounds: _Bounds
    ) -> tuple[list[Choice], Usage]:
        """Ask once, for 1 to `wanted` answers.

        Args:
            bounds: of the question.
        """
        limit = _limit_of(self._spared.applied(body))
        most_usd = self._usd(bounds.most, None if limit is None else limit * wanted)
        completion = await self.post(
            "/chat/completions",
            body,
            ChatCompletion,
            spares=self._spares,
            cost=self._cost(most_usd, lambda answer: self._charged(answer, limit, bounds)),
        )
        usage = completion.usage or CompletionUsage()
        limit = _limit_of(self._spared.applied(body))
        asked, answered, assumed, notices = _tokens(
            completion.choices[:wanted], usage, limit, bounds
        )
        tokens = {"prompt_tokens": asked, "completion_tokens": answered, "assumed_tokens": assumed}
        with charged(Usage(calls=1, **tokens)):
            choices = self._whole(completion.choices[:wanted])
        for choice in choices:
            if choice.truncated:
                # The count is of all choices together.
                told = usage.answered if len(choices) == 1 else None
                choice.explain(self._why_cut(choice, told, limit))
        return choices, Usage(
            calls=len(choices),
            notices=(*self.listing_notices, *self.notices, *notices),
            **tokens,
        )

    def _usd(self, asked: int, answered: int | None) -> float | None:
        return None if self.prices is None else self.prices.cost(asked, answered)

    def _charged(
        self, completion: ChatCompletion, limit: int | None, bounds: _Bounds
    ) -> tuple[float | None, bool]:
        """See `RequestCost.told`."""
        usage = completion.usage or CompletionUsage()
        if self.prices and self.prices.price_told and usage.cost is not None:
            return usage.cost, False
        asked, answered, assumed, _ = _tokens(completion.choices, usage, limit, bounds)
        untold = self.prices is not None and self.prices.price_told  # and this answer did not
        return self._usd(asked, answered), assumed > 0 or untold

    def _whole(self, choices: list[Choice]) -> list[Choice]:
        """Those that hold an answer.

        Raises:
            RefineError: none does.
        """
        if not choices:
            raise self.errors.unanswered(f"{self.url} sent a completion without any choices")
        whole = [choice for choice in choices if not choice.broken]
        if not whole:
            said = self._faults.clean(Said.read(choices[0].error).shown)
            raise self.errors.unavailable(
                f"{self.url} broke off its answer "
                f"(finish_reason {choices[0].finish_reason!r}){said and f': {said}'}"
            )
        if all(choice.only_thoughts for choice in whole):
            raise self.errors.unanswered(self._only_thoughts(whole[0]))
        return whole

    def _why_cut(self, choice: Choice, tokens: int | None, limit: int | None) -> str:
        name = f"{self._section}.max_tokens"
        if (choice.finish_reason or "").lower() not in ("length", "max_tokens", "model_length"):
            return f"the server broke the answer off ({choice.finish_reason!r})"
        length = f"after {len(choice.text)} characters"
        if limit is None or tokens is None or tokens >= limit:
            return f"the token limit cut the answer off {length}; raise {name}"
        return (
            f"the server's context cut the answer off {length}, {tokens} of the {limit} tokens "
            "that were allowed; start it with a larger max_model_len (llama.cpp: --ctx-size, "
            "Ollama: num_ctx)"
        )

    def _only_thoughts(self, choice: Choice) -> str:
        count = f"{len(choice.message.thoughts)} characters"
        if choice.truncated:
            return (
                f"{self.url} sent {count} of thoughts and then no answer: the thoughts used all "
                f"tokens; raise {self._section}.max_tokens, or serve the model without thinking"
            )
        return (
            f"{self.url} put its whole answer ({count}) into reasoning_content and none of it into "
            "content: the server takes it for thoughts; start it without a reasoning parser "
            "(vLLM: no --reasoning-parser), or with thinking switched off"
        )


def png_data_url(image: Image.Image) -> str:
    """The image as a lossless `data:image/png;base64,…` address."""
    return f"data:image/png;base64,{base64.b64encode(encode_png(image)).decode('ascii')}"


def _data_url(image: Image.Image, jpeg: int | None) -> str:
    if jpeg is None:
        return png_data_url(image)
    data = encode_jpeg(image, jpeg)
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"


def to_wire(message: Message) -> dict[str, JsonValue]:
    """A message in the API's form; pictures become data addresses."""
    parts: list[JsonValue] = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": _data_url(part, message.jpeg)}}
        for part in message.content
    ]
    # The plain form, where it is enough, is the one that every server and chat template knows.
    is_text = all(isinstance(part, str) for part in message.content)
    return {"role": message.role, "content": message.text if is_text else parts}


def _limit_of(body: Mapping[str, JsonValue]) -> int | None:
    limit = next((v for k in _LIMITS if (v := body.get(k))), None)
    return limit if isinstance(limit, int) else None


def _tokens(
    choices: Sequence[Choice], usage: CompletionUsage, limit: int | None, bounds: _Bounds
) -> tuple[int, int, int, tuple[str, ...]]:
    """Tokens of question and answers, how many of them are assumed, and why: what the server does
    not tell, or cannot be true, is taken to be the most that it can be.
    """
    texts = [choice.text + choice.message.thoughts for choice in choices]
    asked = possible(usage.asked, bounds.fewest)
    fewest = sum(map(fewest_of, texts))
    answered = possible(usage.answered, fewest)
    untold = usage.asked is None or (answered is None and not usage.answered)
    assumed = 0
    if asked is None:
        asked = bounds.most
        assumed += asked
    if answered is None:
        written = sum(len(text.encode(errors="replace")) for text in texts)
        allowed = (limit or 0) * len(choices)
        answered = allowed if allowed >= fewest else written  # some servers do not keep to it
        assumed += answered
    why = "does not tell its tokens" if untold else "tells fewer tokens than its texts can have"
    notice = f"the endpoint {why}: the most that they can be is counted"
    return asked, answered, assumed, (notice,) if assumed else ()


def _is_endless(text: str) -> bool:
    """Whether a text ends in the same words again and again; a count in them may go on."""
    end = re.sub(r"\d+", "0", text[-4 * _LOOP :])[-_LOOP:]
    if len(end) < _LOOP:
        return False
    # With a period p the text equals itself p characters on; four times at least.
    return any(end[:-p] == end[p:] for p in range(1, _LOOP // 4 + 1))


def _number(value: JsonValue) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
