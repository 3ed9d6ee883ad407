"""Two finished benchmarks side by side: paired over the items that both have, if there are any."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path

from rr_refine.benchmarks.headline import Scale
from rr_refine.benchmarks.leaderboard import Leaderboard, Statistic, macro, mean, ratio
from rr_refine.benchmarks.report import read_results
from rr_refine.benchmarks.results import ArmResult, Results
from rr_refine.benchmarks.table import rows
from rr_refine.benchmarks.trial import read_trials
from rr_refine.benchmarks.trial_columns import TrialColumns
from rr_refine.errors import ConfigError
from rr_refine.plain_text import markdown_line
from rr_refine.statistics import SHARE, Estimate, Range, unpaired
from rr_refine.terms import Record

__all__ = ["ArmComparison", "FolderComparison", "compare", "write_comparison"]

_Asked = dict[str, dict[str, str]]
"""By arm, by item, the digest of its request."""


class ArmComparison(Record):
    """One arm of each."""

    arms: tuple[str, str]
    items: int
    """That both have, of the same request: the differences are of these. Where there are none, the
    differences are of all items of each, and not paired."""
    only: tuple[int, int]
    """Items that one alone has."""
    other: int
    """Items of the same name that are other requests in the two: left out."""
    first: dict[str, Estimate]
    """By measure: exact, score, overall, and the dimensions."""
    second: dict[str, Estimate]
    differences: dict[str, Estimate]
    """The first less the second."""


class FolderComparison(Record):
    """What `compare` gives."""

    folders: tuple[str, str]
    scale: tuple[float, float] | None
    notes: tuple[str, ...]
    """In what the two differ besides: not all of a difference may be of the pictures."""
    arms: tuple[ArmComparison, ...]


def compare(first: Path, second: Path) -> FolderComparison:
    """The arms that both have, by name; or the only one of each.

    Raises:
        ConfigError: one is no whole and finished benchmark, or they have no arm in common.
        StoreError: a file cannot be read.
    """
    one, other = read_results(first), read_results(second)
    pairs = _pairs(one, other)
    asked = _asked(first), _asked(second)
    scale = one.scale if one.scale == other.scale else None
    return FolderComparison(
        folders=(str(first), str(second)),
        scale=scale,
        notes=tuple(_notes(one, other)),
        arms=tuple(_compared((first, second), asked, pair, one, scale) for pair in pairs),
    )


def write_comparison(found: FolderComparison) -> str:
    """As tables in markdown, with what is to be kept in mind."""
    shares = Scale(share=found.scale == SHARE)
    parts = [markdown_line(f"A: {found.folders[0]}   B: {found.folders[1]}")]
    for arm in found.arms:
        name = arm.arms[0] if arm.arms[0] == arm.arms[1] else f"{arm.arms[0]} and {arm.arms[1]}"
        common = f"{arm.items} items in common" if arm.items else _APART
        parts.append(markdown_line(f"{name}: {common}"))
        body = []
        for measure in arm.differences:
            shown = Scale(share=True) if measure == "exact" else shares
            cells = (arm.first[measure], arm.second[measure])
            gap = shown.show_gap(arm.differences[measure])
            body.append([measure, *map(shown.show, cells), gap])
        parts.append(rows([["measure", "A", "B", "A - B"], *body]))
        parts += map(markdown_line, _left_out(arm) if arm.items else ())
    return "\n\n".join([*parts, *map(markdown_line, found.notes), _METHOD]) + "\n"


_METHOD = "Brackets: 95 % intervals; differences over items in common are paired, item by item."
_APART = "no items in common: all items of each, not paired"


def _left_out(arm: ArmComparison) -> Iterator[str]:
    if any(arm.only):
        yield f"Left out: {arm.only[0]} items that A alone has, {arm.only[1]} that B alone has."
    if arm.other:
        yield f"Left out: {arm.other} items of the same name that were asked for otherwise."


def _pairs(one: Results, other: Results) -> list[tuple[ArmResult, ArmResult]]:
    theirs = {arm.arm: arm for arm in other.arms}
    pairs = [(arm, theirs[arm.arm]) for arm in one.arms if arm.arm in theirs]
    if not pairs and len(one.arms) == len(other.arms) == 1:
        return [(one.arms[0], other.arms[0])]
    if not pairs:
        raise ConfigError(
            f"they have no arm in common: {', '.join(arm.arm for arm in one.arms)}; "
            f"{', '.join(theirs)}"
        )
    return pairs


def _notes(one: Results, other: Results) -> Iterator[str]:
    for what in ("benchmark", "judge", "wording", "generator", "critic", "renders"):
        a, b = (getattr(results.provenance, what) for results in (one, other))
        if a != b:
            yield f"They differ in the {what}: {_name(a)} and {_name(b)}."
    if one.provenance.files != other.provenance.files:
        yield "They differ in the benchmark's files."
    if one.scale != other.scale:
        yield f"They have other scales: {one.scale} and {other.scale}."


def _name(value: object) -> str:
    return repr(getattr(value, "name", value))


def _compared(
    folders: tuple[Path, Path],
    asked: tuple[_Asked, _Asked],
    pair: tuple[ArmResult, ArmResult],
    results: Results,
    scale: Range | None,
) -> ArmComparison:
    arms = (pair[0].arm, pair[1].arm)
    for folder, whole, arm in zip(folders, asked, arms, strict=True):
        if arm not in whole:
            raise ConfigError(f"{str(folder)!r} has no trials of arm {arm!r}: it is not whole")
    one, two = asked[0][arms[0]], asked[1][arms[1]]
    named = one.keys() & two.keys()
    common = {item for item in named if one[item] == two[item]}
    only = (len(one.keys() - named), len(two.keys() - named))
    if not common:
        own = [_estimates(arm) for arm in pair]
        shared = [name for name in own[0] if name in own[1]]
        return ArmComparison(
            arms=arms,
            items=0,
            only=only,
            other=len(named),
            first={name: own[0][name] for name in shared},
            second={name: own[1][name] for name in shared},
            differences={name: unpaired(own[0][name], own[1][name]) for name in shared},
        )
    columns = {
        "A": _columns(folders[0], arms[0], common, results.worse_by),
        "B": _columns(folders[1], arms[1], common, results.worse_by),
    }
    board = Leaderboard(columns, results.dimensions)
    view = board.view()
    measures: dict[str, tuple[Statistic, Range | None]] = {
        "exact": (mean("exact"), SHARE),
        "score": (mean("score"), scale),
    }
    if board.dimensions:
        measures["overall"] = (macro("got", "of", board.dimensions), scale)
    measures |= {part: (ratio("got", "of", part), scale) for part in board.parts}

    def of(arm: str) -> dict[str, Estimate]:
        return {name: view.estimate(s, arm, scale=own) for name, (s, own) in measures.items()}

    return ArmComparison(
        arms=arms,
        items=board.items,
        only=only,
        other=len(named) - len(common),
        first=of("A"),
        second=of("B"),
        differences={name: view.gap(s, "A", "B", scale=own) for name, (s, own) in measures.items()},
    )


def _estimates(arm: ArmResult) -> dict[str, Estimate]:
    """Over all of its items."""
    found = {"exact": arm.exact, "score": arm.score}
    return found | ({"overall": arm.overall} if arm.overall else {}) | arm.dimensions


def _asked(folder: Path) -> _Asked:
    asked: _Asked = {}
    for trial in read_trials(folder):
        asked.setdefault(trial.arm, {})[trial.item] = trial.request
    return asked


def _columns(folder: Path, arm: str, items: Set[str], worse_by: float) -> TrialColumns:
    columns = TrialColumns(1, worse_by)
    for trial in read_trials(folder):
        if trial.arm == arm and trial.item in items:
            columns.add(trial.model_copy(update={"points": trial.points[-1:]}))
    return columns
