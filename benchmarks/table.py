"""Results as markdown tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rr_refine.benchmarks.arms import BASELINES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rr_refine.benchmarks.bootstrap import Estimate
    from rr_refine.benchmarks.results import Results

__all__ = ["percent", "points", "rows", "write_tables"]


def write_tables(results: Results) -> str:
    """All tables: the arms, then exactness by each label, then how it was measured."""
    source = results.provenance
    items = results.arms[0].items
    parts = [
        f"{source.benchmark}: {items} items, at most {source.renders} renders each, "
        f"generator {source.generator.name}, critic {source.critic.name}",
        rows(_arm_rows(results)),
    ]
    for label in results.arms[0].exact_by:
        parts += [f"Exact by {label}", rows(_label_rows(results, label))]
    parts.append(
        "Brackets: 95 % bootstrap intervals over items; differences are paired, in points. "
        "Regressed: results that lost what the arm's first picture had."
    )
    return "\n\n".join(parts) + "\n"


def percent(estimate: Estimate) -> str:
    """`71.3 % [66.0, 76.3]`."""
    value, low, high = (100 * x for x in (estimate.value, estimate.low, estimate.high))
    return f"{value:.1f} % [{low:.1f}, {high:.1f}]"


def points(estimate: Estimate) -> str:
    """A difference of shares: `+12.0 [+8.3, +15.7]`."""
    value, low, high = (100 * x for x in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def rows(cells: Iterable[Iterable[str]]) -> str:
    """A markdown table; the first row is its head."""
    head, *body = [list(row) for row in cells]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _arm_rows(results: Results) -> Iterator[list[str]]:
    known = {result.arm for result in results.arms}
    baselines = [name for name in BASELINES if name in known]
    gaps = {(d.arm, d.baseline): points(d.exact) for d in results.differences}
    failed = any(result.failed for result in results.arms)
    yield [
        *("arm", "exact", "score", "renders"),
        *(f"over {name}" for name in baselines),
        *("regressed", *(["failed"] if failed else [])),
    ]
    for result in results.arms:
        yield [
            *(result.arm, percent(result.exact), f"{result.score.value:.2f}"),
            f"{result.renders:.2f}",
            *(gaps.get((result.arm, name), "") for name in baselines),
            f"{100 * result.regressions.regressed.value:.1f} %",
            *([str(result.failed)] if failed else []),
        ]


def _label_rows(results: Results, label: str) -> Iterator[list[str]]:
    values = list(results.arms[0].exact_by[label])
    yield ["arm", *(f"{v} ({results.arms[0].exact_by[label][v].items})" for v in values)]
    for result in results.arms:
        yield [result.arm, *(percent(result.exact_by[label][value]) for value in values)]
