"""A sweep: settings of the loop, varied one at a time, each held against the loop as it is set.

OUT/sweep.json, OUT/sweep.md, OUT/sweep.svg    beside the report of a benchmark, derived from it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rr_refine.benchmarks.arms import DEFAULT
from rr_refine.benchmarks.headline import Headline, headline, score_scale
from rr_refine.benchmarks.results import ArmResult, Provenance, Results
from rr_refine.benchmarks.table import rows, write_method, write_subject
from rr_refine.errors import ConfigError
from rr_refine.plain_text import markdown_line
from rr_refine.statistics import Estimate
from rr_refine.terms import Record

__all__ = ["Factor", "Setting", "Sweep", "SweepValue", "read_sweep", "write_sweep"]


class Setting(Record):
    """One value of what is varied."""

    value: str
    arm: str
    """That has it; `refine` where it is the value that the loop has anyway."""


class Factor(Record):
    """What is varied: one setting, all others as they are."""

    name: str
    settings: tuple[Setting, ...]


class SweepValue(Record):
    """What came of one value."""

    value: str
    arm: str
    measured: Estimate
    over: Estimate | None
    """Less the loop as it is set, paired; None for that itself."""
    score: Estimate
    renders: float
    critic_calls: float
    regressed: Estimate
    failed: int


class Sweep(Record):
    """Everything that sweep.json holds."""

    provenance: Provenance
    measure: str
    """`exact`, `score` or `overall`: see `definitions` in results.json."""
    share: bool
    """It is 0 to 1."""
    items: int
    as_it_is: Estimate
    """Of the loop as it is set."""
    factors: dict[str, tuple[SweepValue, ...]]


def read_sweep(results: Results, factors: Sequence[Factor]) -> Sweep:
    """What the results say about each value that they have.

    Raises:
        ConfigError: no picture was graded.
    """
    measure = headline(results)
    if measure is None:
        raise ConfigError("there is nothing to compare: no picture was graded; give --judge-url")
    arms = {arm.arm: arm for arm in results.arms}
    gaps = {gap.arm: gap for gap in results.differences if gap.baseline == DEFAULT}

    def value(setting: Setting, arm: ArmResult) -> SweepValue:
        gap = gaps.get(setting.arm)
        return SweepValue(
            value=setting.value,
            arm=setting.arm,
            measured=measure.of(arm),
            over=gap and measure.of(gap),
            score=arm.score,
            renders=arm.renders,
            critic_calls=arm.critic_calls,
            regressed=arm.regressions.regressed,
            failed=arm.failed,
        )

    found = {
        factor.name: tuple(value(s, arms[s.arm]) for s in factor.settings if s.arm in arms)
        for factor in factors
    }
    return Sweep(
        provenance=results.provenance,
        measure=measure.name,
        share=measure.scale.share,
        items=results.arms[0].items,
        as_it_is=measure.of(arms[DEFAULT]),
        factors={name: values for name, values in found.items() if values},
    )


def write_sweep(sweep: Sweep, results: Results) -> str:
    """The table, in markdown, and how it was measured."""
    measure = headline(results)
    assert measure is not None
    columns = dict(_columns(measure, results))
    body = [
        [name if not number else "", *(cell(value) for cell in columns.values())]
        for name, values in sweep.factors.items()
        for number, value in enumerate(values)
    ]
    parts = [
        markdown_line(f"{results.provenance.benchmark}: {write_subject(results)}"),
        rows([["varied", *columns], *body]),
        "Everything else is as in `refine`, which the differences are to, item by item.",
        *map(markdown_line, write_method(results)),
    ]
    return "\n\n".join(parts) + "\n"


def _columns(
    measure: Headline, results: Results
) -> Iterator[tuple[str, Callable[[SweepValue], str]]]:
    """Head, and what a value has there."""
    scale = measure.scale
    yield "value", lambda one: one.value if one.over else f"{one.value} (as it is)"
    yield measure.name, lambda one: scale.show(one.measured)
    yield "over refine", lambda one: scale.show_gap(one.over) if one.over else ""
    if measure.name != "score":
        yield "score", lambda one: score_scale(results).show_value(one.score.value)
    yield "renders", lambda one: f"{one.renders:.2f}"
    yield "critic calls", lambda one: f"{one.critic_calls:.2f}"
    yield "regressed", lambda one: f"{100 * one.regressed.value:.1f} %"
    if any(arm.failed for arm in results.arms):
        yield "failed", lambda one: str(one.failed)
