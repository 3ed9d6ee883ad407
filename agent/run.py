"""A recorded run, read back from its folder: typed, without a lock, without a GPU."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue, TypeAdapter, ValidationError

from rr_refine.agent.events import Event, Rendered, RunFinished, read_event
from rr_refine.agent.history import Candidate
from rr_refine.agent.keys import comparison_key
from rr_refine.agent.lineage import Lineage
from rr_refine.agent.manifest import RunStatus, lineage_of, run_id_of
from rr_refine.agent.policy import Policy
from rr_refine.agent.revision import Revision, request_at, rival_of
from rr_refine.agent.state import Outcome
from rr_refine.agent.store.folder import RunFolder, image_path, stored_image
from rr_refine.agent.store.journal import MAX_JOURNAL, Journal, read_rounds
from rr_refine.boundary import raised_as
from rr_refine.errors import ConfigError, MissingExtraError, StoreError
from rr_refine.files import holds_file
from rr_refine.invalid import told_invalid
from rr_refine.lines import read_lines
from rr_refine.request import Request
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison
from rr_refine.terms import DIMENSIONS
from rr_refine.trust import named_code

if TYPE_CHECKING:
    from pandas import DataFrame
    from PIL import Image

__all__ = ["REPORT", "RESULT", "Run", "load_run", "open_run", "read_run"]

REPORT: Final = "report/index.html"
"""Where the report is in a run folder."""
RESULT: Final = "result.png"
"""Where its result is."""
_PARTS: Final = ("events.jsonl", RESULT, REPORT, ".lock")
"""Files that are not read with the run itself."""

_COLUMNS: Final = [
    *("run", "candidate", "round", "index", "prompt", "origin", "seed", "revision"),
    *DIMENSIONS,
    *("mean", "reward", "accepted", "rule", "reason", "against", "failure", "result", "image"),
    *("text_right", "text_rendering_said"),
]
_ID: Final = re.compile(r"r(\d{1,9})c\d{1,9}")
_STATUS: TypeAdapter[RunStatus] = TypeAdapter(RunStatus)


@dataclass(frozen=True, slots=True)
class Run:
    """What is known about a run, finished or not."""

    path: Path
    request: Request
    policy: Policy
    config: dict[str, JsonValue]
    """config.json, whole."""
    status: RunStatus
    """As the manifest has it; a run that was killed still says `running`."""
    candidates: tuple[Candidate, ...]
    """Those of finished rounds, in order."""
    incumbent: Candidate | None
    """The best so far, by the acceptance rule."""
    outcome: Outcome | None
    """None where the run did not come to its end."""
    revisions: tuple[Revision, ...] = ()
    """What the request became by remarks in review, in order."""
    lineage: Lineage | None = None
    """Which picture of which run it comes from, and what it does with it, where that is known."""

    @property
    def id(self) -> str:
        """What the run is called: by its caller, or after the folder that it was made in."""
        return run_id_of(self.config, self.path)

    @property
    def parent(self) -> str | None:
        """Id of the run that this one comes from."""
        parent = self.config.get("parent")
        return None if parent is None else str(parent)

    @property
    def best(self) -> Candidate | None:
        """The incumbent, or the first image where none could be judged."""
        return self.incumbent or next((c for c in self.candidates if c.image), None)

    @property
    def rival(self) -> Candidate | None:
        """What the best had to beat: the first image, or after a remark the best one then, as they
        were judged by the same request as the best.
        """
        best = self.best
        return best and rival_of(self.candidates, self.revisions, best.revision)

    @property
    def result_path(self) -> Path | None:
        """Path of the result picture, or None where there is no image yet."""
        path = self.path / RESULT
        return path if _is_there(path, self.path) else None

    @property
    def report_path(self) -> Path | None:
        """Path of the page that explains the run, or None where it was not written."""
        path = self.path / REPORT
        return path if _is_there(path, self.path) else None

    def request_at(self, revision: int) -> Request:
        """The request as it was in a revision, which candidates name; the first is 1."""
        return request_at(self.request, self.revisions, revision)

    def image(self, candidate: Candidate) -> Image.Image:
        """The picture of a candidate.

        Raises:
            StoreError: it has none, or the file is gone.
        """
        if candidate.image is None:
            raise StoreError(f"candidate {candidate.id} of {self.path} has no image")
        return stored_image(self.path, candidate.image)

    def sources(self) -> list[Image.Image]:
        """The pictures to edit, in order.

        Raises:
            StoreError: one cannot be read.
        """
        return [stored_image(self.path, name) for name in self.request.sources]

    def assessment(self, candidate: Candidate) -> Assessment | None:
        """What the critic wrote about a candidate, raw text included; None if it was not judged."""
        if candidate.critique is None:
            return None
        with RunFolder(self.path, lock=False) as folder:
            item = folder.journal.get("critique", candidate.critique)
        return Assessment.model_validate(_result(item))

    def comparison(self, incumbent: Candidate, challenger: Candidate) -> Comparison | None:
        """The side-by-side comparison of two candidates; None if there was none."""
        if incumbent.image is None or challenger.image is None:
            return None
        request = self.request_at(challenger.first_revision)
        key = comparison_key(request, incumbent.image, challenger.image)
        with RunFolder(self.path, lock=False) as folder:
            item = folder.journal.get("comparison", key)
        return None if item is None else Comparison.model_validate(_result(item))

    def events(self, most: int | None = None) -> tuple[Event, ...]:
        """What happened, in order; a torn last line is left out.

        Args:
            most: the first so many; all by default.

        Raises:
            StoreError: the file is broken.
        """
        path = self.path / "events.jsonl"
        with raised_as(StoreError, f"{path} cannot be read", OSError, ValidationError):
            lines = enumerate(islice(read_lines(path, limit=MAX_JOURNAL), most))
            return tuple(_checked(read_event(line), before) for before, line in lines)

    def here(self, event: Event) -> Event:
        """An event with the paths of this folder: it may have been moved since."""
        if isinstance(event, Rendered):
            path = str(image_path(self.path, event.image))
            return event.model_copy(update={"path": path})
        if isinstance(event, RunFinished):
            result = None if event.result is None else str(self.path / RESULT)
            return event.model_copy(update={"run": str(self.path), "result": result})
        return event

    def to_dataframe(self) -> DataFrame:
        """One row per candidate, in order: prompt, seed, scores, verdict; needs pandas.

        Columns are the same for every run, so that those of several can be put together.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError:
            raise MissingExtraError("Run.to_dataframe()", "notebook") from None
        return DataFrame([self._row(c) for c in self.candidates], columns=_COLUMNS)

    def _row(self, candidate: Candidate) -> dict[str, object]:
        verdict, failure = candidate.verdict, candidate.failure
        return {
            "run": self.path.name,
            "candidate": candidate.id,
            **candidate.model_dump(
                include={"round", "index", "prompt", "origin", "seed", "revision"}
            ),
            **{str(d): (candidate.scores or {}).get(d) for d in DIMENSIONS},
            "mean": candidate.mean,
            "reward": candidate.reward,
            "accepted": verdict is not None and verdict.accepted,
            "rule": None if verdict is None else verdict.rule,
            "reason": None if verdict is None else verdict.reason,
            "against": None if verdict is None else verdict.against,
            "failure": None if failure is None else f"{failure.error}: {failure.message}",
            "result": self.best is not None and candidate.id == self.best.id,
            "image": candidate.image,
            "text_right": candidate.text_right,
            "text_rendering_said": candidate.said_of("text_rendering"),
        }

    def _repr_html_(self) -> str:
        """What a notebook shows: the first image, the result, their scores and prompts."""
        from rr_refine.agent.report.notebook import notebook_cell

        return notebook_cell(self)


def load_run(path: Path | str, *, trust: bool = False) -> Run:
    """Read a run folder. Works while the run goes on, and after it was killed.

    Args:
        trust: take a run that names code: stopping rules, acceptance or components by a dotted
            path. Reading it imports none; `arefine(…, policy=run.policy)` would.

    Raises:
        ConfigError: it names code, and is not trusted.
        StoreError: it is no run folder, or its files are broken.
    """
    run = open_run(path)
    recorded = {"policy": run.config["policy"], "settings": run.config.get("settings")}
    for key, value in () if trust else named_code(recorded):
        raise ConfigError(
            f"the run in {str(path)!r} names code: {key} = {value!r}; if you trust it, "
            "load_run(…, trust=True)"
        )
    return run


def open_run(path: Path | str) -> Run:
    """Read a run folder, for those who import nothing that it names; see `load_run`.

    Raises:
        StoreError: it is no run folder, or its files are broken.
    """
    with RunFolder(path, lock=False) as folder:
        return read_run(folder)


def read_run(folder: RunFolder) -> Run:
    """The run in an open folder, see `open_run`.

    Raises:
        StoreError: it is no run folder, or its files are broken.
    """
    config = folder.read_json("config.json")
    if not isinstance(config, dict):
        raise StoreError(f"{str(folder.path)!r} is no run folder: it has no config.json")
    found = folder.read_json("manifest.json")
    manifest = found if isinstance(found, dict) else {"status": "interrupted"}
    with _named(folder, "samples.jsonl"):
        candidates, best, revisions, outcome = _course(folder.journal)
    with _named(folder, "config.json"):
        request = Request.model_validate(config["request"])
        policy = Policy.model_validate(config["policy"])
        lineage = lineage_of(config)
    with _named(folder, "manifest.json"):
        status = _STATUS.validate_python(manifest["status"])
    run = Run(
        path=folder.path,
        request=request,
        policy=policy,
        config=config,
        status=status,
        candidates=candidates,
        incumbent=next((c for c in candidates if c.id == best), None),
        outcome=outcome,
        revisions=revisions,
        lineage=lineage,
    )
    _require_no_links(run)
    return run


@contextmanager
def _named(folder: RunFolder, file: str) -> Iterator[None]:
    """Say in which file of a run folder a value is missing, or another than it should be."""
    path = str(folder.path)
    try:
        yield
    except KeyError as error:
        raise StoreError(f"{path!r} is no run folder: {file} has no {error}") from error
    except ValidationError as error:
        what = told_invalid(error, error.title)
        raise StoreError(f"run folder {path!r} cannot be read: {file}: {what}") from error


def _checked(event: Event, before: int) -> Event:
    """The event, if the files that it names are those of a run folder, wherever that was, and its
    round is one that so many events before it can lead to: pages count up to it.

    Raises:
        StoreError: they are others.
    """
    for candidate in ("candidate", "incumbent", "challenger"):
        if (match := _ID.fullmatch(getattr(event, candidate, None) or "r0c0")) is None:
            raise StoreError(f"an event of type {event.type!r} names no {candidate}")
        if max(int(match[1]), getattr(event, "round", 0)) > before:
            raise StoreError(f"event {before + 1} is of type {event.type!r}, in no round so far")
    named = expected = None
    if isinstance(event, Rendered):
        named, expected = event.path, image_path(Path(), event.image)
    elif isinstance(event, RunFinished) and event.result is not None:
        named, expected = event.result, Path(RESULT)
    if named is not None and expected is not None:
        parts = Path(named).parts
        if parts[-len(expected.parts) :] != expected.parts:
            raise StoreError(f"an event of type {event.type!r} names {named!r}, no file of its run")
    return event


def _require_no_links(run: Run) -> None:
    """Refuse a run with a part that is somewhere else: it would be shown without a word of it.

    Raises:
        StoreError: it is.
    """
    digests = {run.request.source, *(c.image for c in run.candidates)}
    with raised_as(StoreError, f"run folder {str(run.path)!r} cannot be read", OSError, StoreError):
        pictures = [image_path(run.path, digest) for digest in digests if digest is not None]
        for path in (*(run.path / name for name in _PARTS), *pictures):
            holds_file(path, within=run.path)


def _is_there(path: Path, folder: Path) -> bool:
    try:
        return holds_file(path, within=folder)
    except OSError:
        return False


def _course(
    journal: Journal,
) -> tuple[tuple[Candidate, ...], str | None, tuple[Revision, ...], Outcome | None]:
    """The candidates, the id of the best, the revisions, and how it ended, if it did.

    An outcome of fewer or other candidates is that of an earlier course, see `rounds`.
    """
    rounds = read_rounds(journal)
    # What was judged again stands where it stood.
    candidates = tuple({c.id: c for r in rounds for c in (*r.candidates, *r.judged_again)}.values())
    best, revisions = (rounds[-1].incumbent, rounds[-1].revisions) if rounds else (None, ())
    item = journal.get("outcome", "outcome")
    if item is not None:
        outcome = Outcome.model_validate(item)
        if _unweighed(outcome.candidates) == _unweighed(candidates):
            # with what a human picked
            return outcome.candidates, best, outcome.revisions, outcome
    return candidates, best, revisions, None


def _unweighed(candidates: Iterable[Candidate]) -> list[Candidate]:
    return [c.model_copy(update={"verdict": None}) for c in candidates]


def _result(item: JsonValue) -> JsonValue:
    if not isinstance(item, dict):
        raise StoreError("the record of a critique is missing from samples.jsonl")
    return item["result"]
