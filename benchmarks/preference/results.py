"""The result of an evaluation, as a record and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import JsonValue

from rr_refine.agent.budget import Cost
from rr_refine.benchmarks.preference.item import Truth
from rr_refine.benchmarks.preference.protocol import Mode, ProtocolResult
from rr_refine.benchmarks.table import percent, rows
from rr_refine.plain_text import error_words, markdown_line
from rr_refine.statistics import Estimate
from rr_refine.terms import Identity, Record, Usage

__all__ = ["DEFINITIONS", "PreferenceResult", "write_table"]

DEFINITIONS: Final[dict[str, str]] = {
    "pairwise": "Both pictures side by side, always in both orders, one answer each. The picture "
    "with the higher sum of scores, over the dimensions that both have one for, is preferred; "
    "equal sums (within 1e-9) are a tie.",
    "pointwise": "Each picture alone. The one with the higher mean of its applicable dimensions "
    "is preferred; equal means (within 1e-9) are a tie, and no tolerance is tuned on the data.",
    "accuracy": "Share of right answers; each order of a pair counts half, and a pair whose "
    "answers cannot be had or read is wrong in both.",
    "ties": "Share of the verdicts that prefer neither picture.",
    "interval": "95 %, Wilson's score interval, for the effective number of groups (Korn and "
    "Graubard) where pairs are of one group; none for a single group.",
    "skipped": "Rows that the critic cannot be asked about, or whose pictures cannot be read. "
    "They are in no number.",
}
"""What the numbers are; part of preference.json, with the protocols' own."""


class PreferenceResult(Record):
    """What `evaluate_preference` gives; preference.json."""

    benchmark: str
    files: dict[str, str]
    """sha256 of the data, by file."""
    critic: Identity
    date: str
    """UTC, when the evaluation ended; hosted models change under one name."""
    versions: dict[str, JsonValue] = {}
    """Of the packages, and the commit."""
    modes: tuple[Mode, ...]
    selection: str
    """`all`, or what --limit and --shard left of it."""
    rows: int
    """Of the selection."""
    labels: dict[Truth, int]
    """Of the pairs that the critic was asked about."""
    skipped: dict[str, int]
    """Rows by reason."""
    failures: dict[str, int]
    """Pairs without an answer that can be read, by error, in all modes."""
    not_asked: int = 0
    """Pairs that the budget left no money for; in no number."""
    measures: tuple[ProtocolResult, ...]
    usage: Usage
    """Of all answers, those from an earlier start, too."""
    cost: Cost | None = None
    """Of the critic, in every session together; None where it takes nothing."""
    notes: tuple[str, ...]
    definitions: dict[str, str]


def write_table(result: PreferenceResult) -> str:
    """A Markdown table with a line per protocol and mode, and what they mean."""
    asked = sum(result.labels.values())
    parts = [
        f"{result.benchmark}: {asked} pairs ({result.selection}), critic {result.critic.name}",
        rows(_rows(result)),
    ]
    if result.failures:
        failed = ", ".join(
            f"{count} {error_words(error)}" for error, count in result.failures.items()
        )
        parts.append(f"Failed, and wrong in every accuracy: {failed}.")
    if result.skipped:
        told = ", ".join(f"{count} with {reason}" for reason, count in result.skipped.items())
        parts.append(f"Skipped, and in no number: {told}.")
    if result.not_asked:
        parts.append(f"Not asked, and in no number: {result.not_asked}, by the budget.")
    parts += [f"Note: {note}." for note in result.notes]
    named = dict.fromkeys(measure.protocol for measure in result.measures)
    parts += [f"{name}: {result.definitions[name]}" for name in named]
    parts.append(f"Accuracy: {result.definitions['accuracy']} Brackets: 95 % intervals.")
    table = parts[1]
    return "\n\n".join(part if part is table else markdown_line(part) for part in parts) + "\n"


def _rows(result: PreferenceResult) -> Iterator[list[str]]:
    pairwise = "pairwise" in result.modes
    more = ("both orders", "consistent", "for the first") if pairwise else ()
    yield ["protocol", "mode", "accuracy", "official", *more, "ties", "of", "pairs", "failed"]
    for one in result.measures:
        yield [
            one.protocol,
            one.mode,
            percent(one.accuracy),
            _share(one.official),
            *(_value(e) for e in (one.both_orders, one.consistent, one.first) if pairwise),
            _value(one.ties),
            *(str(n) for n in (one.units, one.pairs, sum(one.failures.values()))),
        ]


def _value(estimate: Estimate | None) -> str:
    return _share(None if estimate is None else estimate.value)


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
