"""Several benchmark folders as one: shards, or items that were added later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from math import fsum
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from rr_refine.agent.budget import Cost
from rr_refine.agent.policy import Policy
from rr_refine.benchmarks.answers import has_answers, read_answers, write_answers
from rr_refine.benchmarks.arms import Arm, read_policy
from rr_refine.benchmarks.engine import read_trials
from rr_refine.benchmarks.item import Benchmark
from rr_refine.benchmarks.report import moved, read_results, write_report
from rr_refine.benchmarks.results import Noise, Provenance, Results, summarise
from rr_refine.benchmarks.scoring import lay_out, score
from rr_refine.benchmarks.source import load_again
from rr_refine.benchmarks.trial import Trial
from rr_refine.errors import ConfigError, MissingExtraError
from rr_refine.named import require_ours
from rr_refine.plain_text import quoted

__all__ = ["join"]

_WHOLE: Final = {"part": 1, "parts": 1}
_SAME: Final = ("benchmark", "renders", "generator", "critic", "judge", "wording", "files")
"""Of the provenance: what must be equal for numbers to be of one thing."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One folder."""

    folder: Path
    results: Results

    @property
    def place(self) -> tuple[int, str]:
        """By shard, then by name: the order in which folders are named changes nothing."""
        source = self.results.provenance.source
        return (source.part if source else 0, str(self.folder))

    def order(self) -> dict[str, tuple[int, int, str]]:
        """Each item's place in the whole benchmark, as far as shards tell it."""
        source = self.results.provenance.source
        part, parts = (source.part, source.parts) if source else (1, 1)
        groups: dict[str, int] = {}
        return {
            trial.item: (
                groups.setdefault(trial.group, len(groups)) * parts + part - 1,
                trial.number,
                trial.item,
            )
            for trial in read_trials(self.folder)
        }


def join(folders: Sequence[Path], out: Path, *, data: Path | None = None) -> Results:
    """The results of all trials in `folders`, with a report in `out`: the order of folders does not
    matter, and of all shards the numbers are those of the whole benchmark, to the last digit.

    Official numbers, judgement files and the official layout of pictures are those of all items
    together. They need the benchmark's own files; where these cannot be read, or a shard is
    missing, `notes` says so.

    Args:
        data: the benchmark's files: what a folder says about where they are is not believed.

    Raises:
        ConfigError: a folder holds no finished benchmark, or of other models, judges or arms than
            the first; two of them hold the same item; `out` holds something else than a report.
        StoreError: a file cannot be read or written.
    """
    if not folders:
        raise ConfigError("give the folders of the benchmarks that are to be one")
    parts = [_Part(folder, read_results(folder)) for folder in folders]
    parts.sort(key=lambda part: part.place)
    first = parts[0].results
    for part in parts[1:]:
        _require_same(parts[0], part)
    names = [arm.arm for arm in first.arms]
    ranks = [part.order() for part in parts]
    order = {item: rank for own in ranks for item, rank in own.items()}
    if len(order) < sum(map(len, ranks)):
        (twice, _), *_ = Counter(item for own in ranks for item in own).most_common(1)
        raise ConfigError(
            f"two folders hold the same item, {quoted(twice)}: give folders of different items"
        )

    if (out / "trials.jsonl").exists():
        raise ConfigError(f"{str(out)!r} holds a benchmark with a report of its own: give another")
    require_ours(out, ("results.json",), ("data",))

    def read() -> Iterator[Trial]:
        own = [moved(read_trials(part.folder), part.folder, out) for part in parts]
        return merge(*own, key=lambda trial: (order[trial.item], trial.arm))

    missing = tuple(_missing(parts))
    notes = list(missing)
    official: dict[str, JsonValue] = {}
    values: dict[str, dict[str, float | None]] = {}
    further: dict[str, JsonValue] = {}
    try:
        benchmark = load_again(
            first.provenance.source,
            list(order),
            data=data,
            cache=out / "data",
            ignored=["prompts"],  # no question is asked
        )
        _require_files(benchmark, first.provenance)
    except (ConfigError, MissingExtraError) as error:
        if any(p.results.official or (p.folder / "pictures").exists() for p in parts):
            notes.append(
                "Official numbers, judgement files and the official layout of pictures are not "
                f"joined: {error}. Give the benchmark's own files with --data."
            )
    else:
        items = {item.id: number for number, item in enumerate(benchmark.items)}
        order = {item: (items[item], 0, item) for item in order}
        placed = ((t, part.folder) for part in parts for t in read_trials(part.folder))
        lay_out(benchmark, names, out, placed)
        _join_answers(parts, names, out, order)
        official, values, further = score(benchmark, names, out, read)
    results = summarise(
        read,
        [Arm(arm.arm, read_policy(arm.policy)) for arm in first.arms],
        _provenance(parts, notes, missing=bool(missing)),
        dimensions=first.dimensions,
        official=official,
        official_values=values,
        extra_views=further,
        noise=_noise(parts),
        worse_by=first.worse_by,
        scale=first.scale,
    )
    write_report(out, results, read)
    return results


def _require_same(first: _Part, part: _Part) -> None:
    one, other = first.results, part.results
    for field in _SAME:
        a, b = (getattr(results.provenance, field) for results in (one, other))
        if a != b:
            raise ConfigError(
                f"{str(part.folder)!r} has {field} {str(b)!r}, and {str(first.folder)!r} has "
                f"{str(a)!r}: their numbers are not of one thing"
            )
    if _parameters(one) != _parameters(other):
        raise ConfigError(
            f"{str(part.folder)!r} was rendered with {_parameters(other)!r}, and "
            f"{str(first.folder)!r} with {_parameters(one)!r}"
        )
    if _policies(one) != _policies(other):
        raise ConfigError(f"{str(part.folder)!r} has other arms than {str(first.folder)!r}")
    counts = [r.provenance.source.parts if r.provenance.source else 1 for r in (one, other)]
    if counts[0] != counts[1]:
        raise ConfigError(
            f"{str(part.folder)!r} is one of {counts[1]} parts, and {str(first.folder)!r} one of "
            f"{counts[0]}"
        )


def _require_files(benchmark: Benchmark, provenance: Provenance) -> None:
    """The files that are read now must be those that were judged."""
    for name, sha in benchmark.files.items():
        if provenance.files.get(name, sha) != sha:
            raise ConfigError(
                f"{name} is another file than the one that was judged: sha256 {sha[:12]}, and it "
                f"was {provenance.files[name][:12]}; give the same files with --data"
            )


def _missing(parts: Sequence[_Part]) -> Iterator[str]:
    """A sentence about each shard that is not there."""
    sources = [p.results.provenance.source for p in parts]
    there = {(source.part, source.parts) for source in sources if source}
    count = max((parts for _, parts in there), default=1)
    for number in range(1, count + 1):
        if (number, count) not in there and count > 1:
            yield (
                f"Part {number} of {count} is missing: its items are in none of the numbers. Give "
                "its folder, too."
            )


def _join_answers(
    parts: Sequence[_Part],
    arms: Sequence[str],
    out: Path,
    order: Mapping[str, tuple[int, int, str]],
) -> None:
    """The judge's answers of all folders, in the order of the items."""
    for arm in arms:
        folders = [part.folder for part in parts if has_answers(part.folder, arm)]
        if folders:
            answers = (read_answers(folder, arm) for folder in folders)
            write_answers(out, arm, merge(*answers, key=lambda a: order[a.item]))


def _noise(parts: Sequence[_Part]) -> Noise | None:
    """Of all pictures that were judged twice."""
    found = [noise for part in parts if (noise := part.results.noise) is not None]
    pictures = sum(noise.pictures for noise in found)
    if not pictures:
        return None

    def mean(value: Callable[[Noise], float]) -> float:
        return fsum(noise.pictures * value(noise) for noise in found) / pictures

    return Noise(
        pictures=pictures,
        difference=mean(lambda noise: noise.difference),
        flipped=mean(lambda noise: noise.flipped),
    )


def _provenance(parts: Sequence[_Part], notes: Sequence[str], *, missing: bool) -> Provenance:
    """That of the first, with what all of them took."""
    all_of = [part.results.provenance for part in parts]
    costs = [one.cost for one in all_of if one.cost is not None]
    said = dict.fromkeys(note for one in all_of for note in one.notes)
    if len({str(one.versions) for one in all_of}) > 1:
        said["The folders were made with different versions of packages: see their results."] = None
    source = all_of[0].source
    return all_of[0].model_copy(
        update={
            "seconds": fsum(one.seconds for one in all_of),
            "cost": sum(costs, Cost()) if costs else None,
            "made": dict(sum((Counter(one.made) for one in all_of), Counter())),
            "date": max(one.date for one in all_of),
            "notes": (*said, *notes),
            "source": source if missing else source and source.model_copy(update=_WHOLE),
        }
    )


def _policies(results: Results) -> dict[str, Policy]:
    """By arm; what older versions did not know has its default."""
    return {arm.arm: read_policy(arm.policy) for arm in results.arms}


def _parameters(results: Results) -> dict[str, JsonValue]:
    settings = results.provenance.settings
    return {key: value for key, value in settings.items() if key.startswith("parameters.")}
