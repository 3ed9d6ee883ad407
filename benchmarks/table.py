"""Results as tables and lines of text, in markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from rr_refine.benchmarks.arms import BASELINES, baselines_of
from rr_refine.benchmarks.headline import (
    Scale,
    headline,
    is_published,
    overall_scale,
    percent,
    points,
    score_scale,
)
from rr_refine.benchmarks.results import ArmResult, Noise, Provenance, Results, WinTieLoss
from rr_refine.plain_text import error_words, markdown_line
from rr_refine.statistics import Estimate

__all__ = [
    "Table",
    "percent",
    "points",
    "rows",
    "tables",
    "write_method",
    "write_subject",
    "write_tables",
]

_WIDEST: Final = 12
"""Most values of a label that there is a table of."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text."""

    title: str
    """Empty for the first one."""
    cells: tuple[tuple[str, ...], ...]
    """The first row is its head, the first column names the rows."""


def write_tables(results: Results) -> str:
    """All tables: the arms, then dimensions and labels, then how it was measured."""
    parts = [markdown_line(f"{results.provenance.benchmark}: {write_subject(results)}")]
    for table in tables(results):
        parts += [*([markdown_line(table.title)] if table.title else []), rows(table.cells)]
    return "\n\n".join([*parts, *map(markdown_line, write_method(results))]) + "\n"


def rows(cells: Iterable[Iterable[str]]) -> str:
    """A markdown table; the first row is its head. A cell is text: no markup, one line."""
    head, *body = [[markdown_line(cell) for cell in row] for row in cells]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_subject(results: Results) -> str:
    """What was measured, with what: one line."""
    source = results.provenance
    judge = f", judge {source.judge.name}" if source.judge else ""
    return (
        f"{results.arms[0].items} items, at most {source.renders} renders each, "
        f"generator {source.generator.name}, critic {source.critic.name}{judge}"
    )


def tables(results: Results) -> Iterator[Table]:
    """The arms, what is not covered, dimensions, labels."""
    yield Table("", _columns(results, _arms(results)))
    if headline(results) is None:
        return
    if is_published(results) and any(_uncovered(arm) for arm in results.arms):
        yield Table("Without what has no mark", _columns(results, _coverage(results)))
    parts = list(results.arms[0].dimensions)
    known = [part for part in parts if part in results.dimensions]
    finer = [part for part in parts if part not in results.dimensions]
    for title, parts in (("By dimension", known), ("By finer dimension", finer)):
        if parts:
            yield Table(title, tuple(_dimension_rows(results, parts)))
    if results.official_values:
        yield Table("Official numbers, ours beside them", tuple(_official_rows(results)))
    for label, values in results.arms[0].exact_by.items():
        if len(values) <= _WIDEST:
            yield Table(f"Exact by {label}", tuple(_label_rows(results, label)))


def write_method(results: Results) -> Iterator[str]:
    """How it was measured, and what to keep in mind: sentences, one by one."""
    source, measure = results.provenance, headline(results)
    yield from _made(source)
    if measure is None:
        yield "No picture was graded."
        yield from source.notes
        return
    apart = ", in points" if measure.scale.share else ""
    yield (
        f"Brackets: 95 % intervals over items (n/a: of one prompt alone, or nothing varies); "
        f"differences are paired{apart}. "
        "Regressed: results that lost what the arm's first picture had."
    )
    if results.unfinished:
        yield f"Not every arm has been through {results.unfinished} more items: they are left out."
    if any(arm.text_right for arm in results.arms):
        yield (
            "Text right: results with all of the lettering that was asked for, of those in which "
            "it was measured; what could not be read is not right. The critic says so from 3.0 on."
        )
    if not is_published(results):
        yield from source.notes
        return
    if not any(_uncovered(arm) for arm in results.arms):
        yield "Every item of every arm has a picture and a mark."
    yield (
        "Win / tie / loss: items that score higher than, the same as, lower than with one-shot. "
        "Triggered: items on which the loop tried more than its first picture. Tokens: of the "
        "critic, per item. What has no picture or no mark counts as the worst there is."
    )
    if results.official_values:
        yield (
            "Official numbers are what the benchmark's own scripts make of the same answers, in "
            "their scale and digits: what they drop is dropped. In ours it counts as the worst."
        )
    for arm, official in results.official.items():
        notes = official.get("notes") if isinstance(official, dict) else None
        yield from (f"{arm}: {note}." for note in (notes if isinstance(notes, list) else ()))
    if source.judge is not None:
        words = f"; words of its questions: {source.wording}" if source.wording else ""
        yield f"Judge: {source.judge.name} ({source.judge.kind}){words}."
    if source.judge_is_critic:
        yield (
            "**The judge is the critic itself**: it grades what it steered. Another judge's "
            "numbers say more."
        )
    if results.noise is not None:
        yield _noise(results, results.noise)
    yield from source.notes


def _made(source: Provenance) -> Iterator[str]:
    """When, and by what."""
    if source.date:
        commit = source.versions.get("commit")
        of = f", commit {str(commit)[:12]}" if commit else ""
        yield f"{source.date}, rr-refine {source.versions.get('rr-refine')}{of}."
    if source.cost is not None:
        yield f"The services in use took {str(source.cost) or 'nothing'}, all sessions together."


def _uncovered(arm: ArmResult) -> int:
    return arm.coverage.items - arm.coverage.marked


def _arms(results: Results) -> Iterator[tuple[str, Callable[[ArmResult], str]]]:
    """The columns of the first table: head, and what an arm has there."""
    published, measure = is_published(results), headline(results)
    gaps = {(d.arm, d.baseline): d for d in results.differences}
    yield "arm", lambda arm: arm.arm
    if measure is not None:
        yield measure.name, lambda arm: measure.scale.show(measure.of(arm))
        if measure.name != "score":
            yield "score", lambda arm: score_scale(results).show_value(arm.score.value)
    yield "renders", lambda arm: f"{arm.renders:.2f}"
    if measure is not None:
        for name in baselines_of([arm.arm for arm in results.arms]) if gaps else ():

            def over(arm: ArmResult, name: str = name) -> str:
                gap = gaps.get((arm.arm, name))
                return measure.scale.show_gap(measure.of(gap)) if gap else ""

            yield f"over {name}", over
        if published and any(arm.win_tie_loss for arm in results.arms):
            yield "win / tie / loss", lambda arm: _games(arm.win_tie_loss)
        yield "regressed", lambda arm: f"{100 * arm.regressions.regressed.value:.1f} %"
    if any(arm.text_right for arm in results.arms):
        yield "text right, measured", lambda arm: _share(arm.text_right)
        yield "text right, says the critic", lambda arm: _share(arm.text_said)
        yield "seconds", lambda arm: "" if arm.seconds is None else f"{arm.seconds:.1f}"
    if published:
        yield "triggered", lambda arm: f"{100 * arm.triggered.value:.1f} %"
        yield "tokens", lambda arm: f"{arm.tokens:.0f}"
    if any(arm.failed for arm in results.arms):
        yield "failed", lambda arm: str(arm.failed)


def _share(found: Estimate | None) -> str:
    return "" if found is None else f"{percent(found)} of {found.items}"


def _games(games: WinTieLoss | None) -> str:
    return f"{games.win} / {games.tie} / {games.loss}" if games else ""


def _coverage(results: Results) -> Iterator[tuple[str, Callable[[ArmResult], str]]]:
    """The columns of the table of what is not covered."""

    def shown(scale: Scale, estimate: Estimate | None) -> str:
        return "" if estimate is None else scale.show(estimate)

    yield "arm", lambda arm: arm.arm
    yield "items", lambda arm: str(arm.coverage.items)
    yield "with a picture", lambda arm: str(arm.coverage.pictures)
    yield "with a mark", lambda arm: str(arm.coverage.marked)
    if results.dimensions:
        yield "overall of these", lambda arm: shown(overall_scale(results), arm.overall_counted)
    yield "score of these", lambda arm: shown(score_scale(results), arm.score_counted)
    yield (
        "the others",
        lambda arm: ", ".join(f"{n} {_why(why)}" for why, n in arm.coverage.missing.items()),
    )


def _why(missing: str) -> str:
    """Marks are the judge's, whose errors are of the critic's kinds."""
    return re.sub("^critic ", "judge ", error_words(missing))


def _columns(
    results: Results, columns: Iterable[tuple[str, Callable[[ArmResult], str]]]
) -> tuple[tuple[str, ...], ...]:
    """One row per arm."""
    shown = list(columns)
    return (
        tuple(head for head, _ in shown),
        *(tuple(cell(arm) for _, cell in shown) for arm in results.arms),
    )


def _dimension_rows(results: Results, parts: Iterable[str]) -> Iterator[tuple[str, ...]]:
    scale = overall_scale(results)
    gaps = [d for d in results.differences if d.baseline == BASELINES[0]]
    yield (
        "dimension",
        *(arm.arm for arm in results.arms),
        *(f"{gap.arm} over {gap.baseline}" for gap in gaps),
    )
    for part in parts:
        yield (
            f"{part} ({results.arms[0].dimensions[part].items})",
            *(scale.show(arm.dimensions[part]) for arm in results.arms),
            *(scale.show_gap(gap.dimensions[part]) for gap in gaps),
        )


def _official_rows(results: Results) -> Iterator[tuple[str, ...]]:
    shown = overall_scale(results)
    arms = [arm for arm in results.arms if arm.arm in results.official_values]
    yield "dimension", *(f"{arm.arm}, {whose}" for arm in arms for whose in ("official", "ours"))
    names = dict.fromkeys(name for arm in arms for name in results.official_values[arm.arm])
    for name in names:
        row = [name]
        for arm in arms:
            official = results.official_values[arm.arm].get(name)
            ours = arm.overall if name == "overall" else arm.dimensions.get(name)
            row += [
                "" if official is None else f"{round(official, 4):g}",
                "" if ours is None else shown.show_value(ours.value),
            ]
        yield tuple(row)


def _label_rows(results: Results, label: str) -> Iterator[tuple[str, ...]]:
    values = results.arms[0].exact_by[label]
    yield "arm", *(f"{value} ({found.items})" for value, found in values.items())
    for result in results.arms:
        yield result.arm, *(percent(result.exact_by[label][value]) for value in values)


def _noise(results: Results, noise: Noise) -> str:
    """How far the judge agrees with itself, and which effects are beyond that."""
    scale, items = score_scale(results), results.arms[0].items
    floor = noise.floor(items)
    effects = [
        f"{gap.arm} {scale.show_change(gap.score.value)}"
        + (" (within it)" if abs(gap.score.value) <= floor else "")
        for gap in results.differences
        if gap.baseline == BASELINES[0]
    ]
    measured = f" Measured, over {BASELINES[0]}: {', '.join(effects)}." if effects else ""
    apart = " points" if scale.share else ""
    return (
        f"Judge noise: scores of the same {noise.pictures} pictures, judged twice, differ by "
        f"{scale.show_change(noise.difference).lstrip('+')}{apart} on average, and "
        f"{100 * noise.flipped:.1f} % of the verdicts turn. That alone makes up to "
        f"±{scale.show_change(floor).lstrip('+')}{apart} (95 %) of a difference between the scores "
        f"of two arms over {items} items.{measured}"
    )
