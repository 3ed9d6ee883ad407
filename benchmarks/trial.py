"""A trial: what one arm made of one item, graded for each number of renders.

OUT/trials.jsonl    one line per trial, in the order in which they ended; the last one of an arm and
                    item counts
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Final, NamedTuple

from pydantic import AfterValidator, Field, ValidationError, model_validator

from rr_refine.agent.history import Candidate
from rr_refine.agent.policy import Policy
from rr_refine.agent.replay import replay
from rr_refine.agent.run import Run
from rr_refine.benchmarks.item import MAX_RENDERS, Mark
from rr_refine.boundary import raised_as
from rr_refine.errors import NotRecordedError, StoreError
from rr_refine.files import holds_file, open_file, require_inside
from rr_refine.lines import LineFile, each_line
from rr_refine.terms import Amount, Record

__all__ = [
    "Origin",
    "Point",
    "RunPrefix",
    "Sample",
    "Trial",
    "TrialFile",
    "lost_trial",
    "read_prefixes",
    "read_trial",
    "read_trials",
]

_FILE: Final = "trials.jsonl"


class Sample(Record):
    """A picture and what is thought of it."""

    candidate: str
    """Id in the run: `r1c0`."""
    image: str
    """Digest; the file is in the run folder."""
    reward: Amount | None
    """The critic's, 0 to 1; None where it could not judge."""
    mark: Mark | None
    """None where the grader could not tell."""
    fault: str | None = None
    """Why there is no mark."""
    text_right: Amount | None = None
    """Share of the lettering asked for that evidence found right; None where none was measured."""
    text_said: Amount | None = None
    """The critic's own score of the lettering, 1 to 4."""

    def marked(self, mark: Mark | str) -> Sample:
        """The same with a mark, or why there is none."""
        known = isinstance(mark, Mark)
        return self.model_copy(
            update={"mark": mark if known else None, "fault": None if known else mark}
        )


class Point(Record):
    """What the loop would have returned with so many renders."""

    spent: int = Field(ge=0, le=MAX_RENDERS)
    """Renders used: fewer than allowed where the loop stopped before, or some failed."""
    sample: Sample | None
    """None where there was no picture."""

    @model_validator(mode="before")
    @classmethod
    def _read_old(cls, data: object) -> object:
        """A sample is called `shot` in files of older versions."""
        if isinstance(data, dict) and "shot" in data:
            return {"sample" if key == "shot" else key: value for key, value in data.items()}
        return data

    @property
    def mark(self) -> Mark | None:
        """None where there is no picture, or none that could be graded."""
        return None if self.sample is None else self.sample.mark

    @property
    def exact(self) -> bool:
        """What has no mark is not exact."""
        return self.mark is not None and self.mark.exact


class Origin(Record):
    """What a trial is of."""

    arm: Annotated[str, AfterValidator(require_inside)]
    item: str
    number: int = 0
    """Place of the item in the benchmark."""
    group: str
    """Items of one group are one cluster."""
    labels: dict[str, str]
    request: str = ""
    """Digest of all that was asked. A trial of another request is none of this item's."""
    run: Annotated[str, AfterValidator(require_inside)]
    """The run folder, in the benchmark's."""
    worst: Mark
    """Stands in for every mark that is missing."""


class Trial(Origin):
    """What one arm made of one item."""

    first: Point
    """Round 0, candidate 0."""
    points: tuple[Point, ...]
    """With 1, 2, … renders allowed; the last is the result of the run. Only the last where no
    curve was asked for."""
    seconds: Amount | None = None
    """That the run took, waiting for others included; None in files of older versions."""
    critic_calls: int = 0
    critic_tokens: int = 0
    """Of critic and rewriters together, as the loop's budget counts them."""
    triggered: bool = False
    """The loop went beyond its first round."""
    stop: str | None = None
    """The rule that ended the run; None where it did not come to its end."""
    faults: tuple[str, ...] = ()
    """Errors of renders and judgements on the way."""
    error: str | None = None
    """What the run ended with, if it failed: it has no result that the arm can be held to."""

    @property
    def result(self) -> Point:
        """What the arm is held to."""
        return self.points[-1]

    @property
    def images(self) -> tuple[str, ...]:
        """The pictures that have a mark of their own, by digest, each once."""
        samples = (point.sample for point in (self.first, *self.points))
        return tuple(dict.fromkeys(sample.image for sample in samples if sample))

    @property
    def recorded(self) -> bool:
        """False where it would have taken what was not kept, offline."""
        return not (self.error or "").startswith(NotRecordedError.__name__)

    @property
    def settled(self) -> bool:
        """Nothing is left to do: the run came to its end, and every picture has its mark."""
        samples = (point.sample for point in (self.first, *self.points))
        return self.error is None and not any(sample and sample.mark is None for sample in samples)

    @property
    def why_lacking(self) -> str:
        """Why it has no picture or no mark, as far as it is known."""
        sample = self.result.sample
        return self.error or (sample and sample.fault) or next(reversed(self.faults), "")


@dataclass(frozen=True, slots=True)
class RunPrefix:
    """How far a run had come."""

    spent: int
    """Pictures made."""
    best: Candidate | None
    """What it would have returned; None without any picture."""


def read_prefixes(run: Run, policy: Policy, *, renders: int, curve: bool) -> tuple[RunPrefix, ...]:
    """Where a run stood after its first picture, and then at each point of its trial.

    Args:
        renders: up to how many renders there are points.
        curve: False leaves out all points but the last.
    """
    first = run.candidates[:1]
    prefixes = [RunPrefix(_spent(first), next((c for c in first if c.image), None))]
    for allowed in range(1, renders) if curve else ():
        replayed = replay(run, _allowing(policy, allowed))
        best = replayed.incumbent or next((c for c in replayed.candidates if c.image), None)
        prefixes.append(RunPrefix(_spent(replayed.candidates), best))
    return (*prefixes, RunPrefix(_spent(run.candidates), run.best))


def read_trial(
    origin: Origin,
    run: Run,
    prefixes: tuple[RunPrefix, ...],
    marks: Mapping[str, Mark | str],
    error: str | None,
) -> Trial:
    """A run that is over, as a trial.

    Args:
        marks: of every picture in `prefixes`, by digest; or why there is none.
        error: what `run_job` raised.
    """

    def point(prefix: RunPrefix) -> Point:
        best, sample = prefix.best, None
        if best is not None and best.image is not None:
            sample = Sample(
                candidate=best.id,
                image=best.image,
                reward=best.reward,
                mark=None,
                text_right=best.text_right,
                text_said=best.said_of("text_rendering"),
            ).marked(marks[best.image])
        return Point(spent=prefix.spent, sample=sample)

    first, *points = map(point, prefixes)
    outcome = run.outcome
    faults = [c.failure for c in run.candidates if c.failure]
    if error is None and (outcome is None or not outcome.ok):
        error = "not finished" if outcome is None else f"{outcome.stop.rule}: {outcome.stop.reason}"
    return Trial(
        **dict(origin),
        first=first,
        points=tuple(points),
        seconds=outcome.spend.seconds if outcome else None,
        critic_calls=outcome.spend.critic_calls if outcome else 0,
        critic_tokens=outcome.spend.tokens if outcome else 0,
        triggered=any(c.round > 0 for c in run.candidates),
        stop=outcome.stop.rule if outcome else None,
        faults=tuple(f"{fault.stage}: {fault.error}: {fault.message}" for fault in faults),
        error=error,
    )


def lost_trial(origin: Origin, error: str, points: int) -> Trial:
    """An item that could not be run at all, for want of its source, say."""
    nothing = Point(spent=0, sample=None)
    return Trial(**dict(origin), first=nothing, points=(nothing,) * points, error=error)


class TrialFile:
    """The trials of a benchmark, open for looking up those of earlier sessions and for adding.

    Memory grows with the trials that were there before, some 300 bytes each, not with those added.
    A line that was being written when the process died is cut off: its trial is made again.

    Args:
        out: the benchmark's folder.

    Raises:
        StoreError: the file cannot be opened, or a line is broken.
    """

    def __init__(self, out: Path) -> None:
        self._path = out / _FILE
        self._places = _places(self._path)
        with raised_as(StoreError, f"cannot open {self._path}"):
            self._lines = LineFile(self._path)
            self._reader = open_file(self._path)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
        self._reader.close()

    def find(self, item: str, arm: str) -> Trial | None:
        """The last trial of an earlier session."""
        place = self._places.get((item, arm))
        return None if place is None else _read_at(self._reader, place.offset)

    def add(self, trial: Trial) -> None:
        """Add a trial. It outlives the process; one that a power cut takes is read from its run.

        Raises:
            StoreError: it could not be written; the file is as it was before.
        """
        with raised_as(StoreError, f"cannot write {self._path}"):
            self._lines.append(trial.model_dump_json().encode(), sync=False)


def read_trials(out: Path) -> Iterator[Trial]:
    """The trials of a benchmark, one at a time: the last one of each arm and item.

    In the order of the items, and of an item's arms by name, however they came to be.

    Args:
        out: the benchmark's folder.

    Raises:
        StoreError: the file cannot be read, a line is broken, or a link leads to the run of a
            trial, which would be shown as one of this folder.
    """
    path = out / _FILE
    places = _places(path)
    if not places:
        return
    with open_file(path) as file:
        for key in sorted(places, key=lambda key: (places[key].number, *key)):
            trial = _read_at(file, places[key].offset)
            with raised_as(StoreError, f"cannot read the run of a trial in {path}"):
                holds_file(out / trial.run / ".lock", within=out)  # a link is an error
            yield trial


class _Place(NamedTuple):
    number: int
    """Of the item."""
    offset: int
    """Of the line, in bytes."""


def _places(path: Path) -> dict[tuple[str, str], _Place]:
    """Where the last line of each (item, arm) is. A torn last line is none."""
    places: dict[tuple[str, str], _Place] = {}
    offset = 0
    try:
        with open_file(path) as file:
            for line, offset in each_line(file):
                trial = Trial.model_validate_json(line)
                places[trial.item, trial.arm] = _Place(trial.number, offset)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error}") from error
    except ValidationError as error:
        raise StoreError(
            f"the line at byte {offset} of {path} is no trial: {error}; remove it, it is made again"
        ) from error
    return places


def _read_at(file: BinaryIO, offset: int) -> Trial:
    file.seek(offset)
    return Trial.model_validate_json(file.readline())


def _allowing(policy: Policy, images: int) -> Policy:
    budget = policy.budget.model_copy(update={"images": images})
    return policy.model_copy(update={"budget": budget})


def _spent(candidates: tuple[Candidate, ...]) -> int:
    return sum(candidate.image is not None for candidate in candidates)
