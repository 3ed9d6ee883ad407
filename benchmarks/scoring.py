"""The official side of a folder: pictures laid out, judgement files written, official numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue

from rr_refine.agent.store.folder import image_path
from rr_refine.benchmarks.answers import has_answers, judged_of, judgements_of, read_answers
from rr_refine.benchmarks.item import Benchmark
from rr_refine.benchmarks.protocol import Answers, Layout, OfficialScore, OfficialTable
from rr_refine.benchmarks.trial import Trial
from rr_refine.boundary import boundary, raised_as
from rr_refine.errors import StoreError
from rr_refine.files import (
    MAX_PICTURE,
    link_file,
    make_inside,
    read_file,
    remove_file,
    replace_file,
    require_no_links,
)
from rr_refine.reward.proposal import is_refusal

__all__ = ["lay_out", "link_or_copy", "pictures_of", "score", "told_refusals"]


def pictures_of(out: Path, arm: str) -> Path:
    """Where an arm's official layout is."""
    return out / "pictures" / arm


def lay_out(
    benchmark: Benchmark, arms: Sequence[str], out: Path, trials: Iterable[tuple[Trial, Path]]
) -> None:
    """Bring the results of trials into the official layout, where the benchmark has one.

    Args:
        trials: each with the benchmark folder that it is of.

    Raises:
        StoreError: a file cannot be written.
    """
    if not isinstance(benchmark, Layout):
        return
    items = {item.id: item for item in benchmark.items}
    with raised_as(StoreError, f"cannot lay out the pictures of {out}"):
        for trial, folder in trials:
            if trial.result.sample is not None and trial.item in items:
                source = image_path(folder / trial.run, trial.result.sample.image)
                target = pictures_of(out, trial.arm) / benchmark.picture(items[trial.item])
                link_or_copy(source, target, folder, out)
        for arm in arms:
            make_inside(pictures_of(out, arm), within=out)
    for arm in arms:
        require_no_links(pictures_of(out, arm))
        benchmark.lay_out(pictures_of(out, arm))


def score(
    benchmark: Benchmark, arms: Sequence[str], out: Path, trials: Callable[[], Iterable[Trial]]
) -> tuple[dict[str, JsonValue], dict[str, dict[str, float | None]], dict[str, JsonValue]]:
    """Write the answers that are in `out` as the official scripts ingest them.

    Returns:
        By arm, what the scripts make of them, the same by dimension, and what else can be read
        from them. Nothing where no questions were put.

    Raises:
        StoreError: a file cannot be read or written.
    """
    official: dict[str, JsonValue] = {}
    values: dict[str, dict[str, float | None]] = {}
    further: dict[str, JsonValue] = {}
    if not isinstance(benchmark, OfficialScore):
        return official, values, further
    for arm in arms:
        if not has_answers(out, arm):
            continue
        made = {
            trial.item: trial.result.sample.image
            for trial in trials()
            if trial.arm == arm and trial.result.sample is not None
        }  # the official scripts never come to ask about others
        pictures = {item.id: made[item.id] for item in benchmark.items if item.id in made}
        judged, folder = judged_of(read_answers(out, arm), pictures), judgements_of(out, arm)
        with boundary(StoreError, "making a folder"):
            make_inside(folder, within=out)
        require_no_links(folder)
        benchmark.write_judgements(folder, pictures_of(out, arm), judged)
        found = benchmark.official(judged)
        if told := told_refusals(judged):
            notes = found.get("notes")
            found["notes"] = [*(notes if isinstance(notes, list) else []), told]
        official[arm] = found
        if isinstance(benchmark, OfficialTable):
            values[arm] = benchmark.official_values(found)
        if views := benchmark.views(judged):
            further[arm] = views
    return official, values, further


def told_refusals(judged: Mapping[str, Answers | None]) -> str:
    """How many answers the judge refused in its words, by item; empty where it refused none.

    Some official scripts count what they cannot read as wrong, a refusal too.
    """
    answered = [answers for answers in judged.values() if answers]
    refused = sum(any(map(is_refusal, answers)) for answers in answered)
    if not refused:
        return ""
    return (
        f"the judge refused {refused} of {len(answered)} pictures, by its words; they count as "
        "wrong, as officially"
    )


def link_or_copy(source: Path, target: Path, source_within: Path, within: Path) -> None:
    """The same file at a second place where that can be, else a copy.

    Raises:
        FileNotFoundError: there is no source; what is at the second place stays.
        OSError: it cannot be read or written.
    """
    own = source.lstat()
    with suppress(OSError):
        if os.path.samestat(own, target.lstat()):
            return
    remove_file(target, within=within)
    try:
        link_file(source, target, source_within=source_within, within=within)
    except OSError:  # a file system without links, or another one
        data = read_file(source, within=source_within, limit=MAX_PICTURE)
        replace_file(target, data, durable=False, within=within)
