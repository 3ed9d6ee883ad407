"""`rr-refine parrot …`: training data for a critic, from preferences."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from rr_refine.cli.exits import DONE, FAILED, guarded
from rr_refine.errors import ConfigError
from rr_refine.training.parrot.config import ParrotConfig

if TYPE_CHECKING:
    from rr_refine.training.parrot.folder import ParrotFolder
    from rr_refine.training.parrot.pipeline import Progress

__all__ = ["export", "ingest", "run"]

KEY = "PARROT_API_KEY"
"""Environment variable of the teacher's key."""


def ingest(
    source: Literal["editreward", "hpdv3", "rapidata"],
    path: Path,
    folder: Path,
    /,
    *,
    dataset: str | None = None,
    split: str = "train",
    margin: float | None = None,
    limit: int | None = None,
    evaluation: Annotated[list[Path] | None, Parameter(negative=())] = None,
) -> int:
    """Add the pairs of a published data set, in random order, without ties and unclear ones.

    Args:
        source: The form of the files.
        path: A parquet file or a folder of them; for hpdv3 the JSON file beside `images`.
        folder: Where pairs and pictures are kept; made if it is not there.
        dataset: Name to record; the data set's own by default.
        split: Name of the split to record.
        margin: Least margin, 0 to 1; by default the data set's own rule.
        limit: Pairs to add at most.
        evaluation: JSON lines of requests that must not be trained on. May be given more than once.
    """

    def command() -> int:
        from rr_refine.reward.preferences.sources import SOURCES
        from rr_refine.training.parrot.evaluation import EvaluationSet
        from rr_refine.training.parrot.folder import ParrotFolder
        from rr_refine.training.parrot.ingest import ingest as add

        reader = SOURCES[source]
        counts = add(
            ParrotFolder(folder),
            reader.read(path, dataset or reader.dataset, split),
            margin=reader.margin if margin is None else margin,
            evaluation=EvaluationSet.read(evaluation or ()),
            limit=limit,
        )
        for count in counts:
            dropped = ", ".join(f"{reason} {n}" for reason, n in count.dropped.items())
            print(f"{count.dataset} {count.split}: {count.kept} of {count.read} kept", end="")
            print(f"; dropped: {dropped}" if dropped else "")
            if count.broken:
                print(f"note: {count.broken}", file=sys.stderr)
        return DONE

    return guarded(command)


def run(
    folder: Path,
    /,
    *,
    config: Path | None = None,
    part: str = "1/1",
    concurrency: int = 64,
) -> int:
    """Ask the teacher everything that is owed, then export. Start it again after any end.

    Exit code 1 if questions stayed without an answer.

    Args:
        folder: With pairs; see `rr-refine parrot ingest`.
        config: A TOML file with the tables teacher, parrot and student.
        part: i/n: the i-th of n jobs on one folder. With more than one, export when all are done.
        concurrency: Pairs under way at once.
    """

    def command() -> int:
        from rr_refine.training.parrot.config import read_config
        from rr_refine.training.parrot.folder import ParrotFolder

        settings, place = read_config(config), ParrotFolder(folder)
        index, count = _part(part)
        progress = asyncio.run(_produce(place, settings, (index, count), concurrency))
        if count == 1:
            _export(place, settings)
        if progress.failures:
            print(
                f"{progress.failures} questions stayed without an answer; run again to ask them",
                file=sys.stderr,
            )
        return FAILED if progress.failures else DONE

    return guarded(command)


def export(folder: Path, /, *, config: Path | None = None) -> int:
    """Write training rows and the report of what was answered so far. Needs no teacher.

    Args:
        folder: After a run.
        config: As for the run; another student, threshold or filter may be chosen.
    """

    def command() -> int:
        from rr_refine.training.parrot.config import read_config
        from rr_refine.training.parrot.folder import ParrotFolder

        _export(ParrotFolder(folder), None if config is None else read_config(config))
        return DONE

    return guarded(command)


async def _produce(
    folder: ParrotFolder, config: ParrotConfig, part: tuple[int, int], concurrency: int
) -> Progress:
    from rr_refine.component import connected
    from rr_refine.training.parrot.config import create_teacher
    from rr_refine.training.parrot.pipeline import produce

    options = dict(config.teacher)
    if key := os.environ.get(KEY):
        options["api_key"] = key
    teacher = create_teacher(options)
    async with connected([teacher]):
        return await produce(
            folder,
            teacher,
            config.parrot,
            part=part,
            concurrency=concurrency,
            on_progress=_Ticker(),
        )


def _export(folder: ParrotFolder, config: ParrotConfig | None) -> None:
    from rr_refine.training.parrot.config import StudentOptions
    from rr_refine.training.parrot.export import export as write
    from rr_refine.training.parrot.summary import summarise

    student = StudentOptions() if config is None else config.student
    report = write(
        folder,
        options=None if config is None else config.parrot,
        template=student.template,
        template_store=student.template_store,
    )
    print(summarise(report), end="")
    print(folder.path / "sft" / "parrot.jsonl")


def _part(text: str) -> tuple[int, int]:
    index, slash, count = text.partition("/")
    if not (slash and index.isdigit() and count.isdigit()):
        raise ConfigError(f"--part {text!r} must look like 1/4")
    return int(index), int(count)


class _Ticker:
    """Says every few seconds how far the run is."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._said >= 5 or progress.done == progress.pairs:
            self._said = now
            print(
                f"{progress.done} of {progress.pairs} pairs, {progress.answers} answers, "
                f"{progress.failures} failures",
                file=sys.stderr,
                flush=True,
            )
