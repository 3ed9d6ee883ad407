"""The report in words: a short Markdown text for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rr_refine.terms import Dimension
from rr_refine.training.parrot.rationale import GATES

if TYPE_CHECKING:
    from rr_refine.training.parrot.report import Report

__all__ = ["summarise"]


def summarise(report: Report) -> str:
    """All that matters of a report."""
    parts = [_gates(report)]
    if report.share_a:
        parts.append(
            "Label A: "
            + _shares(report.share_a)
            + f" of all pairs; {_shares(report.share_a_kept) or '-'} of what is kept."
        )
    if sum(report.chances):
        bins = " ".join(map(str, report.chances))
        flips = "" if report.flips is None else f" The two orders disagree on {report.flips:.1%}."
        parts.append(f"Probability of the label, in tenths from 0 to 1: {bins}.{flips}")
    if report.not_applicable:
        parts.append(f"N/A: {_shares(report.not_applicable)}.")
    if report.agreement:
        parts.append(f"Agreement with people by dimension: {_shares(report.agreement)}.")
    if report.projections:
        parts.append(f"Pointwise: {_counts(report.projections)}.")
    if report.tokens:
        means = ", ".join(f"{kind} {mean:.0f}" for kind, mean in report.tokens.items())
        parts.append(f"Mean tokens: {means}.")
    if any(found.recall is not None for found in report.filters):
        parts.append(_filters(report))
    if report.rows:
        parts.append(f"Rows: {_counts(report.rows)}.")
    if report.owed:
        parts.append(f"Not finished: {report.owed} questions are owed. Run again to ask them.")
    return "\n\n".join(parts) + "\n"


def _gates(report: Report) -> str:
    head = ("data set", "task", "label", "pairs", "rationales", *GATES, "kept pairs")
    rows = [
        (
            group.dataset,
            group.task,
            group.label,
            group.pairs,
            group.rationales,
            *(group.passed[gate] for gate in GATES),
            f"{group.kept_pairs} ({group.retention:.0%})",
        )
        for group in report.groups
    ]
    return _table(head, rows)


def _filters(report: Report) -> str:
    head = ("filter", "kept", "rejected", "precision", "recall", "sound kept", "faulty among kept")
    faults = sorted({fault for found in report.filters for fault in found.recall_by_fault})
    rows = [
        (
            found.variant,
            found.kept,
            found.rejected,
            *map(_percent, (found.precision, found.recall, found.sound_kept, found.faulty_kept)),
            *(_percent(found.recall_by_fault.get(fault)) for fault in faults),
        )
        for found in report.filters
    ]
    return _table((*head, *(f"recall of {fault}" for fault in faults)), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(map(str, row)) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _shares(shares: Mapping[str, float] | Mapping[Dimension, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {share:.1%}" for name, share in shares.items())


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
