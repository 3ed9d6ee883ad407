"""Pictures that are there are judged again, by another judge or in other words, without a render.

They come from a benchmark's folder, or from anybody's folder in the official layout. OUT is a
benchmark's folder like the others: pictures, judgements, trials, report.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from rr_refine.agent.ledger import Ledger
from rr_refine.agent.manifest import versions
from rr_refine.agent.policy import preset
from rr_refine.agent.store.folder import RunFolder, image_path
from rr_refine.benchmarks.arms import Arm, read_policy
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.engine import read_trials, run_many
from rr_refine.benchmarks.entry import BenchmarkEntry
from rr_refine.benchmarks.item import Benchmark, Item
from rr_refine.benchmarks.judging import ATTEMPTS
from rr_refine.benchmarks.measure import AnyJudge, Work
from rr_refine.benchmarks.protocol import FindsPictures, Layout
from rr_refine.benchmarks.results import Provenance, Results
from rr_refine.benchmarks.scoring import link_or_copy
from rr_refine.benchmarks.sources import ROOM, pixels_of
from rr_refine.benchmarks.trial import Point, Sample, Trial, TrialFile
from rr_refine.boundary import boundary
from rr_refine.errors import ConfigError, StoreError
from rr_refine.files import locked, make_folder, make_inside
from rr_refine.named import picture_of_data
from rr_refine.pictures import load_picture, load_stored
from rr_refine.plain_text import quoted
from rr_refine.request import Request
from rr_refine.room import Room
from rr_refine.terms import Identity

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["GivenPictures", "judge_again", "pictures_of_folder", "pictures_of_layout"]

_COPIED: Final = ("config.json", "manifest.json", "samples.jsonl")
"""Of a run folder: what the page and the statistics read."""


@dataclass(frozen=True, slots=True)
class GivenPictures:
    """Pictures to be judged."""

    arms: tuple[Arm, ...]
    provenance: Provenance
    """What made them; the judge's part is filled in later."""
    trials: Callable[[Path], Iterator[Callable[[], Trial]]]
    """Given the folder that judges: each brings the run of a trial into it, and gives the trial,
    whose marks do not count. This may take a while: it is called in a thread."""


def pictures_of_folder(folder: Path, results: Results) -> GivenPictures:
    """Those of a finished benchmark."""

    def bring(trial: Trial, out: Path) -> Trial:
        lost: list[str] = []
        for name in trial.images:
            source = image_path(folder / trial.run, name)
            try:
                link_or_copy(source, image_path(out / trial.run, name), folder, out)
            except FileNotFoundError:
                lost.append(name)
        for name in _COPIED:
            with suppress(FileNotFoundError):
                link_or_copy(folder / trial.run / name, out / trial.run / name, folder, out)
        return _without(trial, lost) if lost else trial

    def trials(out: Path) -> Iterator[Callable[[], Trial]]:
        return (partial(bring, trial, out) for trial in read_trials(folder))

    arms = tuple(Arm(arm.arm, read_policy(arm.policy)) for arm in results.arms)
    note = f"Pictures of {str(folder)!r}, of {results.provenance.date or 'an unknown date'}."
    own = results.provenance
    return GivenPictures(arms, own.model_copy(update={"notes": (note,), "seconds": 0.0}), trials)


def pictures_of_layout(folder: Path, benchmark: Benchmark) -> GivenPictures:
    """Those of anybody, where the official scripts look for them. An item without a picture has
    none here, too.

    Raises:
        ConfigError: the benchmark has no layout, or not one picture is there.
    """
    if not isinstance(benchmark, Layout):
        raise ConfigError(f"{benchmark.name} has no official layout of pictures")
    names: dict[str, str] = {item.id: benchmark.picture(item) for item in benchmark.items}
    if isinstance(benchmark, FindsPictures):
        names |= benchmark.pictures_in(folder)
    if not any((folder / name).is_file() for name in names.values()):
        expected = benchmark.picture(benchmark.items[0])
        raise ConfigError(
            f"{str(folder)!r} has no picture of {benchmark.name}: {quoted(expected)} is the first "
            "name that the official script looks for"
        )
    arm = Arm(folder.resolve().name, preset("one-shot"))

    def trials(out: Path) -> Iterator[Callable[[], Trial]]:
        for number, item in enumerate(benchmark.items):
            entry = BenchmarkEntry(benchmark, item, number)
            yield partial(_trial_of, entry, arm.name, folder, names[item.id], out)

    nobody = Identity(kind="files", name=str(folder))
    provenance = Provenance(
        benchmark=benchmark.name,
        renders=1,
        generator=nobody,
        critic=Identity(kind="none", name="none"),
        notes=(f"Pictures of {str(folder)!r}: how they were made is not known.",),
        versions=versions(),
    )
    return GivenPictures((arm,), provenance, trials)


async def judge_again(
    benchmark: Benchmark,
    pictures: GivenPictures,
    judge: AnyJudge,
    cache: Cache,
    out: Path,
    *,
    concurrency: int = 32,
    attempts: int = ATTEMPTS,
    noise: int = 0,
    settings: dict[str, JsonValue] | None = None,
    ledger: Ledger | None = None,
    on_trial: Callable[[Trial], None] | None = None,
) -> Results:
    """Judge, and leave a benchmark's folder in `out`. What was judged there already is kept.

    Args:
        benchmark: with the items of the pictures.
        judge: connected.
        cache: of `out`.
        ledger: pays here, see `rr_refine.endpoint.bill.paid_by`; recorded.

    Raises:
        ConfigError: another judge was at work in `out`, or the benchmark asks none.
        StoreError: a file cannot be read or written, or another process works in `out`.
    """
    start = time.monotonic()
    work = Work(benchmark, pictures.arms, cache, out, judge, attempts, ledger)
    graded = work.graded()
    items = {item.id: item for item in benchmark.items}
    room = Room(ROOM)
    with boundary(StoreError, "making the folder"):
        make_folder(out)
    with locked(out, out / ".lock"), closing(TrialFile(out)) as file:

        async def one(bring: Callable[[], Trial]) -> None:
            trial = await asyncio.to_thread(bring)
            known = file.find(trial.item, trial.arm)
            if known is None or not known.settled or known.images != trial.images:
                item = items[trial.item]
                async with room.held(await asyncio.to_thread(pixels_of, item.source)):
                    known = await _judged(graded, item, trial, out)
                file.add(known)
            if on_trial:
                on_trial(known)

        await run_many(map(one, pictures.trials(out)), concurrency)
    provenance = pictures.provenance.model_copy(
        update={"seconds": time.monotonic() - start, "settings": settings or {}}
    )
    return await work.report(provenance, noise)


async def _judged(benchmark: Benchmark, item: Item, trial: Trial, out: Path) -> Trial:
    """The trial with new marks."""
    entry = BenchmarkEntry(benchmark, item, trial.number)

    def load(name: str) -> Image.Image:
        return load_stored(image_path(out / trial.run, name), within=out)

    marks = {name: await entry.mark(name, load) for name in trial.images}

    def again(point: Point) -> Point:
        if point.sample is None:
            return point
        return point.model_copy(update={"sample": point.sample.marked(marks[point.sample.image])})

    return trial.model_copy(
        update={
            "first": again(trial.first),
            "points": tuple(map(again, trial.points)),
            "worst": benchmark.worst(item),
        }
    )


def _without(trial: Trial, lost: list[str]) -> Trial:
    """The trial without pictures whose files are not there any more."""

    def kept(point: Point) -> Point:
        gone = point.sample is not None and point.sample.image in lost
        return point.model_copy(update={"sample": None}) if gone else point

    return trial.model_copy(
        update={
            "first": kept(trial.first),
            "points": tuple(map(kept, trial.points)),
            "error": f"lost file: {lost[0]}.png is not in its run folder any more",
        }
    )


def _trial_of(entry: BenchmarkEntry, arm: str, folder: Path, picture: str, out: Path) -> Trial:
    """A picture of the official layout as a trial, its run made in `out`."""
    path, origin, sample, error = folder / picture, entry.origin(arm), None, None
    if path.is_file():
        try:
            image = load_picture(picture_of_data(folder, picture))
            with boundary(StoreError, "making a run folder"):
                make_inside(out / origin.run, within=out)
            with RunFolder(out / origin.run) as own:
                request = Request(prompt=entry.item.prompt, seed=entry.item.seed)
                own.write_json("config.json", {"request": request.model_dump(mode="json")})
                name = own.put_image(image)
            sample = Sample(candidate="r0c0", image=name, reward=None, mark=None)
        except ConfigError as broken:
            error = str(broken)
    else:
        error = f"{picture} is missing"
    point = Point(spent=int(sample is not None), sample=sample)
    return Trial(**dict(origin), first=point, points=(point,), error=error)
