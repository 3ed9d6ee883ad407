"""A judge by a rubric of your own: any vision-language model behind an OpenAI-compatible endpoint.

It gives one number, on a scale of your own, with its reasons in the record. For our rubric, with
its dimensions and proposals, take the critic `openai`.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final

from pydantic import Field

from rr_refine.endpoint.chat import ChatEndpoint
from rr_refine.endpoint.component import EndpointComponent
from rr_refine.endpoint.options import ChatOptions
from rr_refine.endpoint.prices import Prices
from rr_refine.errors import CriticUnreadable, charged
from rr_refine.plugins import factory
from rr_refine.reward.critic import CritiqueRequest
from rr_refine.reward.messages import build_messages
from rr_refine.reward.openai import CRITIC_ERRORS, whole_answer
from rr_refine.reward.scalar import Scale, Scored
from rr_refine.reward.template import Rubric, Slot, Template, Text
from rr_refine.terms import Identity

__all__ = ["RubricOptions", "RubricReward", "create", "read_score"]

_SECTION: Final = "critic"
_SCORE: Final = re.compile(
    r"[\s>#*_`\-]{0,8}score[\s*_`]{0,4}[:=][\s*_`]{0,4}"
    r"(?P<score>-?\d{1,6}(?:\.\d{1,6})?)"
    r"(?:\s{0,2}(?:/|out of)\s{0,2}(?P<top>\d{1,6}(?:\.\d{1,6})?))?"
    r"[\s*_`.]{0,8}",
    re.IGNORECASE,
)
"""A whole line that gives the score."""


class RubricOptions(ChatOptions, Prices):
    """What is judged, on which scale, and by whom."""

    base_url: str = "http://localhost:8000/v1"
    """The root of the API; without a path, `/v1` is meant. Default: vLLM's port."""
    rubric: str = Field(min_length=1)
    """What makes a picture good, in words: it is put before the request and the picture."""
    scale: Scale = (1.0, 10.0)
    """The worst score and the best; they become 0 and 1."""
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    """Null sends none, for endpoints that take none."""
    max_tokens: int = Field(default=1024, ge=1)
    """Longest answer, in tokens; a cut-off answer is an error."""
    max_retries: int = Field(default=4, ge=0)
    """Further attempts after a passing fault: a judgement that is lost wastes a render."""
    concurrency: int = Field(default=16, ge=1)
    """Requests under way at once, per event loop."""


class RubricReward(EndpointComponent[RubricOptions, ChatEndpoint]):
    """A `Reward`: the score by the rubric, mapped to [0, 1]."""

    _kind = ChatEndpoint
    _section = _SECTION
    _errors = CRITIC_ERRORS

    @property
    def identity(self) -> Identity:
        """The model, the words and the scale. The host is left out: it changes no judgement.

        Raises:
            ConfigError: the model is not known yet; await `connect` first, or judge.
        """
        options = self._options
        return Identity(
            kind="rubric",
            name=self._endpoint.model,
            details={
                "template": self._template.digest,
                "scale": list(options.scale),
                "temperature": options.temperature,
                "max_tokens": options.max_tokens,
            },
        )

    @cached_property
    def _template(self) -> Template:
        """The rubric with the places of a request, for both tasks."""
        low, high = self._options.scale
        made = Text(
            text="A picture was made for the request below. Judge it by this rubric.\n\n"
            f"<rubric>\n{self._options.rubric.strip()}\n</rubric>\n\n<request>\n"
        )
        asked = Text(
            text="\n\nGive your reasons in a few sentences. Then end with one line of the form "
            f"`Score: N`, where N is a number from {low:g} (worst) to {high:g} (best)."
        )
        request, image, source = (Slot(slot=name) for name in ("request", "image", "source"))
        before = (made, request, Text(text="\n</request>\n\n"))
        last = (Text(text="The picture:\n"), image, asked)
        return Template(
            name="rubric",
            rubrics={
                "t2i": Rubric(user=(*before, *last)),
                "edit": Rubric(
                    user=(*before, Text(text="The picture that was to be edited:\n"), source, *last)
                ),
            },
        )

    async def score(self, request: CritiqueRequest) -> Scored:
        """See `Reward.score`.

        Raises:
            CriticAnswerError: the model declined, was cut off, or gave no score of the scale.
        """
        (answer,), usage = await self._endpoint.complete(
            build_messages(request, self._template),
            self._options.model_dump(include={"temperature", "max_tokens"}),
        )
        low, high = self._options.scale
        with charged(usage):
            text = whole_answer(answer)
            score = read_score(text, low, high)
        return Scored((score - low) / (high - low), text, usage=usage)


def read_score(text: str, low: float, high: float) -> float:
    """The score of an answer: its only line of the form `Score: N` or `Score: N/HIGH`, or its last
    line where there are several. Nothing is guessed from other words.

    Raises:
        CriticUnreadable: there is none, or it is outside of [low, high].
    """
    lines = [line for line in text.splitlines() if line.strip()]
    found = [match for line in lines if (match := _SCORE.fullmatch(line)) is not None]
    if len(found) > 1:
        found = [match] if (match := _SCORE.fullmatch(lines[-1])) else []
    if not found:
        raise CriticUnreadable(
            f"the judge's answer has no line 'Score: N' that counts; it ends in {text[-200:]!r}",
            text,
        )
    score, top = float(found[0]["score"]), found[0]["top"]
    if not low <= score <= high or (top is not None and float(top) != high):
        raise CriticUnreadable(
            f"the judge's {found[0][0].strip()!r} is not on the scale from {low:g} to {high:g}",
            text,
        )
    return score


create = factory(RubricReward, RubricOptions, _SECTION)
