"""Judging: from a model's answers, through the parsers and one repair, to an assessment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar

from pydantic import Field, JsonValue, ValidationError, model_validator

from rr_refine.batching import gather
from rr_refine.endpoint.chat import Message
from rr_refine.errors import (
    ConfigError,
    CriticAnswerError,
    CriticRefused,
    CriticTruncated,
    CriticUnreadable,
    charged,
)
from rr_refine.invalid import told_invalid
from rr_refine.reward.answer_form import AnswerForm, Filled, answer_form
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison, PairwiseCritique
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.critique import Critique
from rr_refine.reward.messages import build_messages, repair_messages
from rr_refine.reward.parser import parse_comparison, parse_critique
from rr_refine.reward.proposal import read_proposal
from rr_refine.reward.template import BUILTIN, load_template
from rr_refine.reward.values import read_score, read_text, read_winner
from rr_refine.terms import Given, Identity, Task, Usage

__all__ = [
    "Answer",
    "ModelCritic",
    "ModelOptions",
    "guided_notices",
    "read_comparison",
    "read_critique",
    "to_assessment",
]

T = TypeVar("T")


class ModelOptions(Given):
    """What every critic that asks a model can be told."""

    samples: int = Field(default=1, ge=1, le=64)
    """Judgements per picture. Two or more give a spread, and need a temperature above 0."""
    temperature: float | None = Field(default=0.1, ge=0, le=2)
    """Sampling temperature; 0.1 is what the released critics were run with (paper, 6.4). Null sends
    none, for endpoints that take none."""
    max_tokens: int = Field(default=2048, ge=1)
    """Longest answer, in tokens; a cut-off answer is an error (paper, 6.4: 2048)."""
    repair: bool = True
    """Ask once for an unreadable answer to be written again in the format."""
    template: str = BUILTIN
    """`builtin`, the beginning of an imported template's digest, or a stored template's path."""
    template_store: Path | None = None
    """The folder of imported templates, for a template named by its digest."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        # ConfigError, not ValueError: pydantic's report of a ValueError holds all options.
        if self.samples > 1 and self.temperature == 0:
            raise ConfigError(
                f"critic.samples = {self.samples} has no effect at critic.temperature = 0, where "
                "every sample is the same; raise the temperature or take one sample"
            )
        return self


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote, before anybody has read it."""

    text: str
    truncated: bool = False
    """The token limit ended it."""
    cut: str = ""
    """What ended it and what to do, in a clause, where more is known than that."""
    refused: bool = False
    """The model, or a filter behind it, declined."""
    guided: AnswerForm | None = None
    """The form that it was held to while it was written, if it was."""
    steered: bool = False
    """It would have left that form, and was kept from it."""
    ignored: str = ""
    """Where it has another form all the same: why, and what to do, in a clause."""
    shortened: bool = False
    """A text was ended early, so that all of the answer comes before the token limit."""


class ModelCritic(ABC):
    """A critic that asks a model: what is left to say is how the model is reached."""

    def __init__(self, options: ModelOptions) -> None:
        self._samples = options.samples
        self._repair = options.repair
        self._template = load_template(options.template, options.template_store)
        self._asked: dict[str, JsonValue] = {
            "template": self._template.digest,
            **options.model_dump(include={"samples", "temperature", "max_tokens", "repair"}),
        }

    @property
    @abstractmethod
    def identity(self) -> Identity:
        """See `Critic.identity`."""

    @property
    def most_sources(self) -> int | None:
        """One where the template's words know of one; see `rr_refine.component`."""
        return None if self._template.several_sources else 1

    async def cannot(self, request: CritiqueRequest) -> str | None:
        """See `KnowsLimits`: only where the question and its answer do not fit into the model."""
        messages = build_messages(request, self._template)  # a rubric that is missing is told
        return await self._too_long(messages)

    async def _too_long(self, messages: tuple[Message, ...]) -> str | None:  # noqa: ARG002
        """Why a question has no place in the model, with what to do; None where it is not known."""
        return None

    @abstractmethod
    async def _ask(
        self, messages: tuple[Message, ...], samples: int, form: AnswerForm
    ) -> tuple[list[Answer], Usage]:
        """Put one question; `samples` independent answers come back.

        Args:
            form: that the answers should have; a critic that is guided holds the model to it.

        Raises:
            CriticError: there is no answer.
        """

    async def critique(self, request: CritiqueRequest) -> Assessment:
        """Judge the image; see `Critic.critique` and `to_assessment`."""
        messages = build_messages(request, self._template)
        form = answer_form(request.task)
        answers, usage = await self._ask(messages, self._samples, form)
        with charged(usage):
            outcomes, repairs = await self._read_all(messages, answers, form, read_critique)
        with charged(usage := usage + repairs):
            return to_assessment(self.identity, outcomes, usage)

    async def compare(self, request: ComparisonRequest) -> Comparison:
        """Judge A against B in both orders, one answer each; see `PairwiseCritic.compare`."""
        swapped = replace(request, image_a=request.image_b, image_b=request.image_a)
        (forward, first), (reverse, second) = await gather(
            self._compare_once(request), self._compare_once(swapped)
        )
        with charged(usage := first + second):
            for outcome in (forward, reverse):
                if isinstance(outcome, CriticAnswerError):
                    raise outcome
        return Comparison(critic=self.identity, forward=forward, reverse=reverse, usage=usage)

    async def _compare_once(
        self, request: ComparisonRequest
    ) -> tuple[PairwiseCritique | CriticAnswerError, Usage]:
        messages = build_messages(request, self._template)
        form = answer_form(request.task, pairwise=True)
        answers, usage = await self._ask(messages, 1, form)
        with charged(usage):
            (outcome,), repairs = await self._read_all(messages, answers, form, read_comparison)
        return outcome, usage + repairs

    async def _read_all(
        self,
        messages: tuple[Message, ...],
        answers: Sequence[Answer],
        form: AnswerForm,
        read: Callable[[Answer, Task], T],
    ) -> tuple[list[T | CriticAnswerError], Usage]:
        outcomes = await gather(*(self._read(messages, answer, form, read) for answer in answers))
        return [outcome for outcome, _ in outcomes], sum((cost for _, cost in outcomes), Usage())

    async def _read(
        self,
        messages: tuple[Message, ...],
        answer: Answer,
        form: AnswerForm,
        read: Callable[[Answer, Task], T],
    ) -> tuple[T | CriticAnswerError, Usage]:
        """Read one answer; an unreadable one gets one chance to be written again.

        A cut-off answer would be cut off again and a refusal is an answer, so neither is repaired;
        nor is an empty one, as there is no judgement in it to keep.
        """
        told = Usage(notices=guided_notices(answer))
        try:
            return read(answer, form.task), told
        except CriticUnreadable as error:
            if not self._repair or not answer.text.strip():
                return error, told
            question = repair_messages(messages, answer.text, str(error))
        except CriticAnswerError as error:
            return error, told
        (again,), usage = await self._ask(question, 1, form)
        usage += Usage(notices=(*told.notices, *guided_notices(again)))
        try:
            return read(again, form.task), usage
        except CriticAnswerError as error:
            return error, usage


def read_critique(answer: Answer, task: Task) -> Critique:
    """Read a pointwise answer.

    Raises:
        CriticAnswerError: it is no critique; of the kind that fits.
    """
    _require_whole(answer)
    filled = _filled(answer)
    if filled is None:
        with _told(answer):
            return parse_critique(answer.text, task, truncated=answer.truncated)
    texts = filled.texts
    return Critique(
        task=task,
        scores={d: read_score(f"{score}\n") for d, (score,) in filled.verdicts.items()},
        rationales={d: read_text(texts[d]) or None for d in filled.verdicts},
        summary=read_text(texts["summary"]),
        refinement_comments=read_text(texts["comments"]) or None,
        refined_request=_proposal(texts["request"]),
        raw=answer.text,
        guided=answer.steered,
    )


def read_comparison(answer: Answer, task: Task) -> PairwiseCritique:
    """Read a pairwise answer.

    Raises:
        CriticAnswerError: it is no comparison; of the kind that fits.
    """
    _require_whole(answer)
    filled = _filled(answer)
    if filled is None:
        with _told(answer):
            return parse_comparison(answer.text, task, truncated=answer.truncated)
    verdicts = filled.verdicts.items()
    return PairwiseCritique(
        task=task,
        scores_a={d: read_score(f"{a}\n") for d, (a, _, _) in verdicts},
        scores_b={d: read_score(f"{b}\n") for d, (_, b, _) in verdicts},
        winners={d: read_winner(winner) for d, (_, _, winner) in verdicts},
        rationales={d: read_text(filled.texts[d]) or None for d, _ in verdicts},
        summary=read_text(filled.texts["summary"]),
        raw=answer.text,
        guided=answer.steered,
    )


def guided_notices(answer: Answer) -> tuple[str, ...]:
    """What is to be told about an answer that was held to a form."""
    notices = []
    if answer.steered:
        notices.append(
            "an answer was guided: the critic's own words left the form of answers, and it was "
            "held to that form; its verdict meets no target"
        )
    filled = _filled(answer)
    cut = [] if filled is None else [name.replace("_", " ") for name in filled.cut]
    if cut or answer.shortened:
        which = f" ({', '.join(cut)})" if cut else ""
        notices.append(f"an answer was guided, and a text in it was cut at its bound{which}")
    if answer.guided and answer.ignored and filled is None:
        notices.append(answer.ignored)
    return tuple(notices)


def _filled(answer: Answer) -> Filled | None:
    """What stands where, in a whole answer of the form that it was held to."""
    if answer.guided is None or answer.truncated:
        return None
    return answer.guided.read(answer.text)


@contextmanager
def _told(answer: Answer) -> Iterator[None]:
    """An answer that cannot be read, though the model should have been held to a form, says so."""
    try:
        yield
    except CriticUnreadable as error:
        if not answer.ignored:
            raise
        raise CriticUnreadable(f"{error}; {answer.ignored}", error.raw) from error


def _proposal(text: str) -> str | None:
    """A proposed request; None for what is none: a guided model has to write something there."""
    try:
        return read_proposal(text)
    except ValueError:
        return None


def _require_whole(answer: Answer) -> None:
    if answer.cut:
        raise CriticTruncated(answer.cut, answer.text)
    if answer.refused:
        raise CriticRefused(
            f"the critic declined to judge: {answer.text.strip()[:200]!r}", answer.text
        )


def to_assessment(
    critic: Identity, outcomes: Sequence[Critique | CriticAnswerError], usage: Usage
) -> Assessment:
    """Put the samples of one picture together.

    Samples that could not be read are kept as `failures`, raw, and count in no mean. What is left
    must be at least half: a mean over the few answers that happened to be readable would say more
    about the format than about the picture.

    Raises:
        CriticAnswerError: more than half are unreadable: the first of them, by its own type.
        CriticUnreadable: the samples agree on no dimension that applies.
    """
    critiques = [o for o in outcomes if not isinstance(o, CriticAnswerError)]
    errors = [o for o in outcomes if isinstance(o, CriticAnswerError)]
    if 2 * len(critiques) < len(outcomes):
        first = errors[0]
        if len(outcomes) == 1:
            raise first
        raise type(first)(
            f"{len(errors)} of {len(outcomes)} samples are no critique; the first: {first}",
            first.raw,
        ) from first
    try:
        return Assessment(
            critic=critic,
            critiques=tuple(critiques),
            failures=tuple(error.raw for error in errors),
            usage=usage,
        )
    except ValidationError as error:
        raise CriticUnreadable(
            f"the samples cannot be put together: {told_invalid(error)}",
            "\n\n".join(critique.raw for critique in critiques),
        ) from error
