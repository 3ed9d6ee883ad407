"""What the page sends: the form of a run and answers to its questions; who makes jobs of forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Annotated, Final, Literal, Protocol

from pydantic import AfterValidator, Base64Bytes, FailFast, Field, ValidationError
from pydantic_core import from_json

from rr_refine.agent.follow_up import (
    FollowUp,
    again,
    edit,
    go_on,
    use_prompt,
    vary,
)
from rr_refine.agent.job import Job
from rr_refine.agent.policy import MAX_CANDIDATES
from rr_refine.agent.review import Decision, read_decision
from rr_refine.agent.run import Run
from rr_refine.errors import ConfigError
from rr_refine.files import parse_json
from rr_refine.generators.generator import Generator
from rr_refine.invalid import told_invalid
from rr_refine.request import MAX_PROMPT
from rr_refine.reward.critic import Critic
from rr_refine.studio.history import MAX_TILES
from rr_refine.terms import Given, Record

__all__ = [
    "JobMaker",
    "MoreForm",
    "PromptForm",
    "RunForm",
    "has_many_parts",
    "read_answer",
    "read_chosen",
    "read_form",
    "read_more",
    "read_prompt",
]

_MAX_SIDE: Final = 16_384
"""Pixels of a side; generators take fewer."""


def _short(words: tuple[str, ...]) -> tuple[str, ...]:
    if (given := sum(map(len, words))) > MAX_PROMPT:
        raise ValueError(f"{given:,} characters together; {MAX_PROMPT:,} are the most")
    return words


Words = Annotated[tuple[str, ...], FailFast(), AfterValidator(_short)]


class RunForm(Given):
    """A run that somebody asks for."""

    prompt: str = Field(max_length=MAX_PROMPT)
    """What the picture should show or, with `picture`, what should change in it."""
    picture: Base64Bytes | None = None
    """The file of a picture to edit."""
    more_pictures: tuple[Base64Bytes, ...] = ()
    """Further ones, in order, where the generator takes several."""
    preset: str = "refine"
    seed: int = Field(default=0, ge=0, lt=2**53)
    """Seed of the first image; below 2**53, where a browser's numbers end."""
    keep: Words = ()
    avoid: Words = ()
    review: bool = False
    """Pause for a decision on each new prompt."""
    candidates: int | None = Field(default=None, ge=1, le=MAX_CANDIDATES)
    """Pictures of a round; None leaves it to the preset."""
    width: int | None = Field(default=None, ge=1, le=_MAX_SIDE)
    height: int | None = Field(default=None, ge=1, le=_MAX_SIDE)
    """Pixels, where the generator takes a size; None leaves it to the generator."""
    negative_prompt: str | None = Field(default=None, max_length=MAX_PROMPT)
    """What the picture should not show, where the generator takes that."""
    budget_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """US dollars that the run may spend, no more than the settings have; None leaves it to them."""


class Chosen(Record):
    """Runs that somebody chose."""

    runs: tuple[str, ...] = Field(min_length=1, max_length=MAX_TILES)
    """Their names."""


class PromptForm(Record):
    """A prompt that somebody is typing."""

    prompt: str = Field(max_length=MAX_PROMPT)
    edit: bool = False
    """Whether there is a picture to edit."""


class MoreForm(Given):
    """What should follow a picture of a run."""

    kind: Literal["go-on", "vary", "edit", "again", "prompt"]
    picture: str = Field(pattern=r"^r\d{1,9}c\d{1,9}$")
    """Its id."""
    words: str = Field(default="", max_length=MAX_PROMPT)
    """What should be otherwise, for `go-on`, which needs none; what should change, for `edit`."""
    count: int = Field(default=4, ge=1, le=MAX_CANDIDATES)
    """How many pictures, for `vary`."""

    def follow_up(self, run: Run) -> FollowUp:
        """What follows the picture of this run. Reads pictures: use a thread.

        Raises:
            ConfigError: it cannot follow.
            StoreError: the picture cannot be read.
        """
        if self.words.strip() and self.kind not in ("go-on", "edit"):
            raise ConfigError(f"words have no effect here: {self.kind!r} takes none")
        match self.kind:
            case "go-on":
                return go_on(run, self.words, picture=self.picture)
            case "vary":
                return vary(run, self.count, picture=self.picture)
            case "edit":
                return edit(run, self.words, picture=self.picture)
            case "again":
                return again(run, picture=self.picture)
            case "prompt":
                return use_prompt(run, picture=self.picture)


class JobMaker(Protocol):
    """Makes jobs around one generator and one critic, which all runs of a studio share."""

    generator: Generator
    """Renders for every run. Models of this process queue the calls by themselves."""
    critic: Critic
    """Judges for every run."""
    defaults: RunForm
    """What the form starts from; its prompt is empty."""
    intents: Mapping[str, str]
    """Presets for a purpose beside those of `PRESETS`, with words about them."""

    def new(self, form: RunForm) -> Job:
        """The job of a new run. Called in a thread.

        Raises:
            ConfigError: something in the form is wrong.
        """
        ...

    def again(self, run: Run) -> Job:
        """The job of an unfinished run, to go on with. Called in a thread.

        Raises:
            ConfigError: it was made with other models than these.
            StoreError: its source picture cannot be read.
        """
        ...

    def after(self, follow_up: FollowUp) -> Job:
        """The job of a new run that comes from a picture. Called in a thread.

        Raises:
            ConfigError: that run names parts that this studio does not.
        """
        ...


def read_form(data: bytes | bytearray) -> RunForm:
    """A form from the JSON that the page sends.

    Raises:
        ConfigError: a field is wrong or unknown; in words for the person at the page.
    """
    with _in_words():
        _require_few_parts(data, texts=4)
        given = from_json(data)
        if isinstance(given, dict):  # one error is told, so that further ones are not looked for
            given = dict(islice(given.items(), 20))
        return RunForm.model_validate(given)


def read_prompt(data: bytes | bytearray) -> PromptForm:
    """A prompt from the JSON that the page sends while somebody types.

    Raises:
        ConfigError: it is none.
    """
    with _in_words("this is no prompt: "):
        _require_few_parts(data, texts=1)
        return PromptForm.model_validate_json(data)


def read_chosen(data: bytes | bytearray) -> tuple[str, ...]:
    """The names of runs that somebody chose, from JSON.

    Raises:
        ConfigError: there is none.
    """
    with _in_words("no runs are chosen: "):
        _require_few_parts(data, texts=0)
        return Chosen.model_validate_json(data).runs


def read_more(data: bytes | bytearray) -> MoreForm:
    """What should follow a picture, from JSON.

    Raises:
        ConfigError: a field is wrong or unknown.
    """
    with _in_words():
        _require_few_parts(data, texts=1)
        return MoreForm.model_validate_json(data)


def read_answer(data: bytes | bytearray) -> tuple[int, Decision]:
    """The number of a question, and the decision that answers it, from JSON.

    Raises:
        ConfigError: it is no decision.
    """
    with _in_words("this is no decision: "):
        _require_few_parts(data, texts=1)
        match parse_json(bytes(data)):
            case {"question": int(question), "decision": answer} if question is not True:
                return question, read_decision(answer)
        raise ValueError("it has the number of a question, and a decision")


@contextmanager
def _in_words(start: str = "") -> Iterator[None]:
    """What is wrong with what the page sent, for the person there."""
    try:
        yield
    except ValidationError as error:
        raise ConfigError(start + told_invalid(error, "the form")) from error
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"{start or 'the form: '}{error}") from error


def _require_few_parts(data: bytes | bytearray, texts: int) -> None:
    if has_many_parts(data, texts):
        raise ValueError("it has more parts than any has")


def has_many_parts(data: bytes | bytearray, texts: int) -> bool:
    """Whether JSON may take gigabytes and minutes to parse, such as many empty lists.

    Args:
        texts: long ones that belong into it; they may hold commas and brackets.
    """
    return sum(map(data.count, b"{[,")) > texts * MAX_PROMPT + 1000
