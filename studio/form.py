"""The page's form, and the protocol that makes a job of it."""

from __future__ import annotations

from typing import Final, Protocol

from pydantic import Base64Bytes, Field, ValidationError

from rr_refine.agent.run import Run
from rr_refine.agent.session import Job
from rr_refine.errors import ConfigError
from rr_refine.generators.generator import Generator
from rr_refine.reward.critic import Critic
from rr_refine.terms import Record

__all__ = ["MAX_PROMPT", "JobMaker", "RunForm", "read_form"]

MAX_PROMPT: Final = 200_000
"""Characters; models read far fewer, and a page can still show these."""


class RunForm(Record):
    """A run that somebody asks for."""

    prompt: str = Field(max_length=MAX_PROMPT)
    """What the picture should show or, with `picture`, what should change in it."""
    picture: Base64Bytes | None = None
    """The file of a picture to edit."""
    preset: str = "refine"
    seed: int = Field(default=0, ge=0, lt=2**53)
    """Seed of the first image; below 2**53, where a browser's numbers end."""
    keep: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    review: bool = False
    """Pause for a decision on each new prompt."""


class JobMaker(Protocol):
    """Makes jobs around one generator and one critic, which all runs of a studio share."""

    generator: Generator
    """Renders for every run. Models of this process queue the calls by themselves."""
    critic: Critic
    """Judges for every run."""
    defaults: RunForm
    """What the form starts from; its prompt is empty."""

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


def read_form(data: bytes) -> RunForm:
    """A form from the JSON that the page sends.

    Raises:
        ConfigError: a field is wrong or unknown; in words for the person at the page.
    """
    try:
        return RunForm.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the form"
        raise ConfigError(f"{where}: {first['msg']}") from error
