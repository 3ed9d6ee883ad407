"""A teacher behind an OpenAI-compatible endpoint: vLLM with Qwen3-VL-32B, for example."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import Field, JsonValue

from rr_refine.endpoint.chat import ChatEndpoint
from rr_refine.endpoint.completion import Choice
from rr_refine.endpoint.component import EndpointComponent
from rr_refine.endpoint.options import ChatOptions
from rr_refine.errors import CriticRefused, CriticUnreadable
from rr_refine.plugins import factory
from rr_refine.reward.openai import CRITIC_ERRORS
from rr_refine.reward.preferences.pair import Label
from rr_refine.reward.template import BUILTIN, load_template
from rr_refine.terms import Identity
from rr_refine.training.parrot.prompts import ask, words_digest
from rr_refine.training.parrot.teacher import QuestionKind, TeacherAnswer, TeacherQuestion

if TYPE_CHECKING:
    import httpx2

__all__ = ["EndpointTeacher", "EndpointTeacherOptions", "create"]

_TOP: Final = 20
"""Most likely tokens that are asked for; the most that vLLM and OpenAI give by default."""

_LEAST: Final = 0.01
"""Probability that the choices must have together for their proportion to mean anything."""


class EndpointTeacherOptions(ChatOptions):
    """How an endpoint is reached and asked: the config section `[teacher]`."""

    base_url: str = "http://localhost:8000/v1"
    """The root of the API; without a path, `/v1` is meant. Default: vLLM's."""
    max_retries: int = Field(default=4, ge=0)
    """Further attempts after a transient error."""
    concurrency: int = Field(default=64, ge=1)
    """Requests under way at once; a batch job should keep the server full."""
    timeout: float = Field(default=600.0, gt=0)
    """Seconds to wait for an answer; in a full queue it takes minutes."""
    temperature: float | None = Field(default=0.7, ge=0, le=2)
    """For rationales; above 0, so that a second attempt is another one. Predictions take 0. Null
    sends none."""
    max_tokens: int = Field(default=2048, ge=1)
    """Longest rationale; a cut-off one is dropped."""
    template: str = BUILTIN
    """The rubrics that the teacher answers, as for the critic."""
    template_store: Path | None = None
    """The folder of imported templates, for a template named by its digest."""
    structured: bool = True
    """Hold predictions to the choices with vLLM's `structured_outputs`; false for servers that do
    not know it."""


class EndpointTeacher(EndpointComponent[EndpointTeacherOptions, ChatEndpoint]):
    """Teaches by asking an endpoint. See `Teacher`.

    Args:
        options: the endpoint and how to ask it.
        http_client: makes the HTTP client of an event loop; the client library's own by default.

    Raises:
        ConfigError: the URL, the key or the template cannot be used.
    """

    _kind = ChatEndpoint
    _section = "teacher"
    _errors = CRITIC_ERRORS

    def __init__(
        self,
        options: EndpointTeacherOptions,
        *,
        http_client: Callable[[], httpx2.AsyncClient] | None = None,
    ) -> None:
        super().__init__(options, http_client=http_client)
        self._template = load_template(options.template, options.template_store)

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

    async def answer(self, question: TeacherQuestion) -> TeacherAnswer:
        """See `Teacher.answer`.

        Raises:
            CriticError: of the kind that fits; `CriticUnreadable` if a prediction came without
                the probabilities of its choices.
        """
        # Reading pictures takes a while, in which other requests should move on.
        messages = await asyncio.to_thread(ask, question, self._template)
        fields: dict[str, JsonValue] = {
            "temperature": self._options.temperature,
            "max_tokens": self._options.max_tokens,
        }
        if question.kind == "predict":
            # One token, at temperature 0, and how likely it and the others were.
            fields = {"temperature": 0.0, "max_tokens": 1, "logprobs": True, "top_logprobs": _TOP}
            if self._options.structured:
                fields["structured_outputs"] = {"choice": list(question.choices)}
        (choice,), usage = await self._endpoint.complete(messages, fields)
        if choice.refused:
            said = choice.text
            raise CriticRefused(f"the teacher declined: {said[:200]!r}", said)
        answer = TeacherAnswer(
            text=choice.message.content or "",
            finish_reason=(choice.finish_reason or "unknown") if choice.truncated else "stop",
            tokens=0 if usage.assumed_tokens else usage.completion_tokens,
            notices=usage.notices,
        )
        if question.kind == "predict":
            answer = answer.model_copy(update={"chances": _chances(choice, question.choices)})
        return answer


create = factory(EndpointTeacher, EndpointTeacherOptions, "teacher")


def _chances(choice: Choice, choices: tuple[Label, ...]) -> dict[Label, float]:
    """The probabilities of the choices at the first place of the answer, made to add up to 1.

    A token counts for the choice that it begins: `A`, ` A`, `t` of `tie`.
    """
    tokens = choice.first_tokens
    if not tokens:
        raise CriticUnreadable(
            "the teacher sent no log-probabilities with a prediction, or impossible ones; the "
            "check of rationales needs a server that gives them, such as vLLM",
            choice.message.content or "",
        )
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
