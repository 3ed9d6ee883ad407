"""The studio for programs: what the tools of an MCP client ask for, and what they get.

A client is told apart from its user: it names files below the studio's folder only, and runs by
their names there; parts and keys are those of the settings, whatever it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from rr_refine.agent.budget import Cost
from rr_refine.agent.events import Notice
from rr_refine.agent.history import Candidate
from rr_refine.agent.policy import MAX_CANDIDATES
from rr_refine.agent.run import Run
from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError, StoreError
from rr_refine.files import read_file
from rr_refine.invalid import told_invalid
from rr_refine.named import below
from rr_refine.request import MAX_PROMPT
from rr_refine.studio.form import MoreForm, RunForm, Words
from rr_refine.studio.history import Tile, result_file
from rr_refine.studio.state import RunState, StudioStatus
from rr_refine.studio.uploads import MAX_PICTURE_BYTES
from rr_refine.terms import Record

__all__ = [
    "EditCall",
    "Listing",
    "Picture",
    "RefineCall",
    "ResultCall",
    "StatusCall",
    "StopCall",
    "ToldRun",
    "more_of",
    "picture_uri",
]

_MAX_WAIT: Final = 3600.0
"""Most seconds that a call waits for a run."""
_WAIT: Final = 50.0
"""Seconds that it waits by default: many clients give up after a minute."""

_EVENTS: Final = 2000
"""Events of a run that are looked through for notices."""

RunName = Annotated[str, Field(max_length=200, description="A run, as the tools call it.")]
PictureId = Annotated[
    str,
    Field(
        pattern=r"^(r\d{1,9}c\d{1,9})?$",
        description="A picture of the run, such as r1c0; empty for its best.",
    ),
]
_Wait = Annotated[
    float,
    Field(ge=0, le=_MAX_WAIT, description="Seconds to wait for the end; then the run goes on."),
]
_Prompt = Annotated[str, Field(min_length=1, max_length=MAX_PROMPT)]


class _Call(Record):
    """What a tool is called with."""

    @model_validator(mode="before")
    @classmethod
    def _blanks_are_left_out(cls, given: object) -> object:
        """Models that fill in a form write empty texts where they mean nothing."""
        if not isinstance(given, dict):
            return given
        spare = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {n: value for n, value in given.items() if value != "" or n not in spare}


class _Run(_Call):
    """What a new run may be given."""

    preset: str | None = Field(default=None, description="How to work; by default as set up.")
    seed: int | None = Field(default=None, ge=0, lt=2**53, description="Of the first picture.")
    keep: Words = Field(default=(), description="Words that every prompt must hold.")
    avoid: Words = Field(default=(), description="Words that no prompt may hold.")
    candidates: int | None = Field(
        default=None, ge=1, le=MAX_CANDIDATES, description="Pictures of each round."
    )
    width: int | None = Field(default=None, description="Pixels.")
    height: int | None = Field(default=None, description="Pixels.")
    budget_usd: float | None = Field(
        default=None, gt=0, description="US dollars that the run may spend at most."
    )
    negative_prompt: str | None = Field(
        default=None, description="What should not be in the picture, where that can be said."
    )

    def form(self, defaults: RunForm, prompt: str, pictures: Sequence[bytes] = ()) -> RunForm:
        """The form of the run. Nobody can be asked, so there is no review.

        Raises:
            ConfigError: a field is out of range.
        """
        try:
            checked = RunForm(prompt=prompt, **self.given())
        except ValidationError as error:
            raise ConfigError(told_invalid(error, "the call")) from error
        first, *more = pictures or (None,)
        given = {name: getattr(checked, name) for name in checked.model_fields_set}
        own = {"picture": first, "more_pictures": tuple(more), "review": False}
        return defaults.model_copy(update=given | own)

    def given(self) -> dict[str, Any]:
        """What the call says of it."""
        names = set(_Run.model_fields)
        return self.model_dump(include=names, exclude_unset=True, exclude_none=True)


class RefineCall(_Run):
    """Make a picture: draw it, judge it, improve the prompt, until it is right or a limit ends it.

    Gives the run. If it is still "working" after wait_seconds, look again by `status`; `result`
    shows the picture. Cancelling this call stops the run.
    """

    prompt: _Prompt = Field(description="What the picture should show.")
    wait_seconds: _Wait = _WAIT


class EditCall(_Run):
    """Change a picture by words: a file, or a picture of an earlier run. Works as `refine` does."""

    prompt: _Prompt = Field(description="What should change.")
    picture: str | None = Field(
        default=None, description="Path of a file below this server's folder."
    )
    more_pictures: tuple[str, ...] = Field(
        default=(), max_length=16, description="Further files, where several can be taken."
    )
    run: RunName | None = Field(default=None, description="Or a run, whose picture is edited.")
    picture_of_run: PictureId = ""
    wait_seconds: _Wait = _WAIT

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.run is None) == (not self._named):
            raise ValueError("give either picture, a file below this server's folder, or run")
        if self.run is None and self.picture_of_run:
            raise ValueError("picture_of_run has no effect without run")
        if self.run is not None:
            for name in self.given():
                raise ValueError(f"{name} has no effect with run: it is as in that run")
        return self

    @property
    def _named(self) -> list[str]:
        return [name for name in (self.picture, *self.more_pictures) if name is not None]

    def pictures(self, folder: Path) -> list[bytes]:
        """The files to edit, none where it is a picture of a run. Reads files: use a thread.

        Raises:
            ConfigError: one leads out of the folder or cannot be read.
        """
        files: list[bytes] = []
        left = MAX_PICTURE_BYTES
        for name in self._named:
            files.append(_read(folder, name, left))
            left -= len(files[-1])
        return files


class StatusCall(_Call):
    """Say how a run is, or list the newest runs. Waits for its end if asked to."""

    run: RunName | None = Field(default=None, description="A run; else the newest are listed.")
    search: str = Field(default="", max_length=300, description="Words of requests to list.")
    wait_seconds: _Wait = 0.0


class ResultCall(_Call):
    """Show the picture of a run, the best so far if it is not done, and where its file is."""

    run: RunName
    picture: PictureId = ""


class StopCall(Record):
    """Stop a run that is working. Its best picture so far is its result."""

    run: RunName


class Picture(Record):
    """A picture of a run, and what the critic found."""

    id: str
    prompt: str
    seed: int
    mean: float | None
    """Of its scores, 1 to 4; None where it was not judged."""
    scores: dict[str, float | None]
    """By dimension; None where it does not apply."""
    open_points: tuple[str, ...]
    """What is wrong with it, or was not judged."""


class ToldRun(Record):
    """A run, as a client is told of it."""

    run: str
    status: StudioStatus
    prompt: str
    path: str | None = None
    """Its folder."""
    first: Picture | None = None
    best: Picture | None = None
    pictures: int | None = None
    """How many there are so far."""
    stopped: str | None = None
    """Why it ended."""
    cost: Cost | None = None
    """What its services took, in US dollars; None where none has a price, and before its end."""
    generator: str | None = None
    critic: str | None = None
    """Names of the models; `fake` is a stand-in."""
    notes: tuple[str, ...] = ()
    """What should be known of the models, and what was done otherwise than asked."""
    problem: str = ""
    result: str | None = None
    """The resource that is its picture."""

    @classmethod
    def of(cls, run: Run, state: RunState, notes: Sequence[str] = ()) -> ToldRun:
        """A run that was read, and how it is. Reads its events: use a thread.

        Args:
            notes: about the models and the prompt.
        """
        first = next(iter(run.candidates), None)
        return cls(
            run=state.name,
            status=state.status,
            prompt=run.request.prompt,
            path=str(run.path),
            first=_picture(first),
            best=_picture(run.best),
            pictures=sum(one.image is not None for one in run.candidates),
            stopped=run.outcome and f"{run.outcome.stop.rule}: {run.outcome.stop.reason}",
            cost=run.outcome.spend.cost if run.outcome and str(run.outcome.spend.cost) else None,
            generator=_name(run.config.get("generator")),
            critic=_name(run.config.get("critic")),
            notes=tuple(dict.fromkeys((*notes, *state.notes, *_notices(run)))),
            problem=state.problem,
            result=picture_uri(state.name) if result_file(run.path).exists() else None,
        )

    @classmethod
    def listed(cls, tile: Tile) -> ToldRun:
        """A run of the list."""
        return cls(
            run=tile.name,
            status=tile.status,
            prompt=tile.prompt,
            problem=tile.problem,
            result=picture_uri(tile.name) if tile.image else None,
        )


class Listing(Record):
    """Runs, the newest first."""

    runs: tuple[ToldRun, ...]


def more_of(edit: EditCall, run: Run) -> MoreForm:
    """The form that edits a picture of a run.

    Raises:
        ConfigError: the run has no picture.
    """
    best = run.best
    if best is None:
        raise ConfigError(f"run {run.path.name!r} has no picture yet")
    return MoreForm(kind="edit", picture=edit.picture_of_run or best.id, words=edit.prompt)


def picture_uri(run: str, picture: str = "") -> str:
    """The resource of a picture; of the result without an id."""
    return f"rr-refine://runs/{run}/{picture or 'result'}.png"


def _read(folder: Path, name: str, limit: int) -> bytes:
    path = below(folder, "picture", name)
    with raised_as(ConfigError, f"picture = {name!r:.200} cannot be read"):
        return read_file(path, within=folder, limit=limit)


def _name(identity: JsonValue) -> str | None:
    match identity:
        case {"name": str(name)}:
            return name
    return None


def _notices(run: Run) -> Iterator[str]:
    try:
        events = run.events(_EVENTS)
    except StoreError as error:
        yield str(error)
        return
    for event in events:
        if isinstance(event, Notice):
            yield event.text


def _picture(candidate: Candidate | None) -> Picture | None:
    if candidate is None:
        return None
    return Picture(
        id=candidate.id,
        prompt=candidate.prompt,
        seed=candidate.seed,
        mean=candidate.mean,
        scores={str(name): score for name, score in (candidate.scores or {}).items()},
        open_points=candidate.open_points,
    )
