"""A teacher behind an OpenAI-compatible endpoint: vLLM with Qwen3-VL-32B, or any that sees."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import Field, JsonValue

from rr_refine.endpoint.completion import Choice, Completion
from rr_refine.endpoint.endpoint import Endpoint
from rr_refine.endpoint.options import EndpointOptions
from rr_refine.errors import CriticRefused, CriticUnreadable
from rr_refine.plugins import parse_options
from rr_refine.reward.openai import CRITIC_ERRORS, to_wire
from rr_refine.reward.preferences.pair import Label
from rr_refine.reward.template import BUILTIN, load_template
from rr_refine.terms import Identity
from rr_refine.training.parrot.prompts import ask, words_digest
from rr_refine.training.parrot.teacher import QuestionKind, TeacherAnswer, TeacherQuestion

if TYPE_CHECKING:
    import httpx2
    from openai.types.chat import ChatCompletionMessageParam

__all__ = ["EndpointTeacher", "EndpointTeacherOptions", "create"]

_TOP: Final = 20
"""Most likely tokens that are asked for; the most that vLLM and OpenAI give by default."""

_LEAST: Final = 0.01
"""Probability that the choices must have together for their proportion to mean anything."""


class EndpointTeacherOptions(EndpointOptions):
    """How an endpoint is reached and asked: the config section `[teacher]`."""

    base_url: str = "http://localhost:8000/v1"
    """The root of the API; without a path, `/v1` is meant. Default: vLLM's."""
    max_retries: int = Field(default=4, ge=0)
    """Further attempts after a passing fault."""
    concurrency: int = Field(default=64, ge=1)
    """Requests under way at once; a batch job should keep the server full."""
    timeout: float = Field(default=600.0, gt=0)
    """Seconds without a sign of life; in a full queue an answer takes minutes."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    """For rationales; above 0, so that a second attempt is another one. Predictions take 0."""
    max_tokens: int = Field(default=2048, ge=1)
    """Longest rationale; a cut-off one is dropped."""
    template: str = BUILTIN
    """The rubrics that the teacher answers, as for the critic."""
    template_store: Path | None = None
    """The folder of imported templates, for a template named by its digest."""
    structured: bool = True
    """Hold predictions to the choices with vLLM's `structured_outputs`; false for servers that do
    not know it."""


def create(**options: JsonValue) -> EndpointTeacher:
    """Entry point `openai` of `rr_refine.teachers`.

    Raises:
        ConfigError: an option is unknown or out of range.
    """
    return EndpointTeacher(parse_options(EndpointTeacherOptions, options, "teacher"))


class EndpointTeacher:
    """Teaches by asking an endpoint. See `Teacher`.

    Args:
        options: the endpoint and how to ask it.
        http_client: makes the HTTP client of an event loop; the client library's own by default.

    Raises:
        ConfigError: the URL, the key or the template cannot be used.
    """

    def __init__(
        self,
        options: EndpointTeacherOptions,
        *,
        http_client: Callable[[], httpx2.AsyncClient] | None = None,
    ) -> None:
        self._options = options
        self._template = load_template(options.template, options.template_store)
        self._endpoint = Endpoint(
            options, section="teacher", errors=CRITIC_ERRORS, http_client=http_client
        )

    def identify(self, kind: QuestionKind) -> Identity:
        """The model, the words and the sampling. The host is left out.

        Raises:
            ConfigError: the model is not known yet; name it, or await `connect`.
        """
        words = {"words": words_digest(kind, self._template)}
        sampling: dict[str, JsonValue] = (
            {"temperature": 0.0, "structured": self._options.structured}
            if kind == "predict"
            else {"temperature": self._options.temperature, "max_tokens": self._options.max_tokens}
        )
        return Identity(kind="openai", name=self._endpoint.model, details={**words, **sampling})

    async def connect(self) -> None:
        """Ask the endpoint for its model, if none was named; errors as for `Endpoint.connect`."""
        await self._endpoint.connect()

    async def aclose(self) -> None:
        """Close the running event loop's connections. A later call opens them again."""
        await self._endpoint.aclose()

    async def answer(self, question: TeacherQuestion) -> TeacherAnswer:
        """See `Teacher.answer`.

        Raises:
            CriticError: of the kind that fits; `CriticUnreadable` if a prediction came without
                the probabilities of its choices.
        """
        # Reading and packing pictures takes a while, in which other requests should move on.
        messages = await asyncio.to_thread(self._messages, question)
        if question.kind == "predict":
            return await self._predict(question, messages)
        completion = await self._endpoint.ask(
            Completion,
            lambda client, model: client.chat.completions.with_raw_response.create(
                model=model,
                messages=messages,
                temperature=self._options.temperature,
                max_tokens=self._options.max_tokens,
            ),
        )
        return _answer(_first(completion), completion)

    async def _predict(
        self, question: TeacherQuestion, messages: list[ChatCompletionMessageParam]
    ) -> TeacherAnswer:
        """One token, at temperature 0, and how likely it and the others were."""
        choice_only = {"structured_outputs": {"choice": list(question.choices)}}
        completion = await self._endpoint.ask(
            Completion,
            lambda client, model: client.chat.completions.with_raw_response.create(
                model=model,
                messages=messages,
                temperature=0.0,
                max_tokens=1,
                logprobs=True,
                top_logprobs=_TOP,
                extra_body=choice_only if self._options.structured else None,
            ),
        )
        choice = _first(completion)
        chances = _chances(choice, question.choices)
        return _answer(choice, completion).model_copy(update={"chances": chances})

    def _messages(self, question: TeacherQuestion) -> list[ChatCompletionMessageParam]:
        return [to_wire(message) for message in ask(question, self._template)]


def _first(completion: Completion) -> Choice:
    if not completion.choices:
        raise CriticUnreadable(
            "the teacher sent a completion without any choices", completion.model_dump_json()
        )
    choice = completion.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        said = choice.message.refusal or choice.message.content or ""
        raise CriticRefused(f"the teacher declined: {said[:200]!r}", said)
    return choice


def _answer(choice: Choice, completion: Completion) -> TeacherAnswer:
    return TeacherAnswer(
        text=choice.message.content or "",
        finish_reason=choice.finish_reason or "unknown",
        tokens=completion.cost(answers=1).completion_tokens,
    )


def _chances(choice: Choice, choices: tuple[Label, ...]) -> dict[Label, float]:
    """The probabilities of the choices at the first place of the answer, made to add up to 1.

    A token counts for the choice that it begins: `A`, ` A`, `t` of `tie`.
    """
    places = (choice.logprobs.content if choice.logprobs else None) or []
    if not places:
        raise CriticUnreadable(
            "the teacher sent no log-probabilities with a prediction; the check of rationales "
            "needs a server that gives them, such as vLLM",
            choice.message.content or "",
        )
    # The token that was taken is among the likely ones for most servers, but not for all.
    tokens: Mapping[str, float] = {
        found.token: found.logprob for found in (places[0], *places[0].top_logprobs)
    }
    weights = dict.fromkeys(choices, 0.0)
    for token, logprob in tokens.items():
        for label in choices:
            if (begun := token.strip()) and label.startswith(begun):
                weights[label] += math.exp(logprob)
    total = math.fsum(weights.values())
    if total < _LEAST:
        raise CriticUnreadable(
            f"the teacher gave {' and '.join(choices)} a probability of {total:.1%} together: "
            "is it a model that thinks first? Serve it without thinking",
            choice.message.content or "",
        )
    return {label: weight / total for label, weight in weights.items()}
