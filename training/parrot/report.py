"""The report: how many went in, how many came through each gate, and what looks odd.

A sudden shift in any of its numbers is the cheapest detector of broken data.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import TypeVar

from rr_refine.reward.preferences.pair import Label, exchange
from rr_refine.terms import Dimension, Record, Task
from rr_refine.training.parrot.config import Variant
from rr_refine.training.parrot.ingest import IngestCount
from rr_refine.training.parrot.pair_state import PairState
from rr_refine.training.parrot.rationale import GATES, Gate, Rationale
from rr_refine.training.parrot.teacher import SOUND

__all__ = ["ExportReport", "FilterCount", "GroupCount", "ReportBuilder", "summarise"]

K = TypeVar("K")

_BINS = 10


class GroupCount(Record):
    """Pairs of one data set, task and label, and their rationales."""

    dataset: str
    task: Task
    label: Label
    pairs: int
    rationales: int
    """That the teacher wrote; with further attempts more than pairs."""
    refused: int
    """Questions of any kind that there will be no answer to."""
    passed: dict[Gate, int]
    """Rationales that passed this gate and all before it."""
    kept_pairs: int

    @property
    def retention(self) -> float:
        """The share of pairs that are kept."""
        return self.kept_pairs / self.pairs if self.pairs else 0.0


class FilterCount(Record):
    """What one filter did."""

    variant: Variant
    kept: int
    rejected: int
    precision: float | None = None
    """The share of rejected rationales that are faulty; None if it is not known, or none was."""
    recall: float | None = None
    """The share of faulty rationales that are rejected."""
    sound_kept: float | None = None
    """The share of sound rationales that are kept."""
    faulty_kept: float | None = None
    """The share of kept rationales that are faulty: what the student learns from."""
    recall_by_fault: dict[str, float] = {}


class ExportReport(Record):
    """All numbers of one export."""

    variant: Variant
    groups: tuple[GroupCount, ...]
    owed: int
    """Questions that are not answered yet, as far as they are known."""
    refused: dict[str, int]
    """`refused` by the teacher, or `unusable` answers of its server -> questions."""
    contradicted: int
    """Pairs that are left out because the same pictures were preferred the other way round, too."""
    retention: dict[str, float]
    """`all`, and data set -> the share of pairs that are kept, of those that could be."""
    cut_off: int
    """Rationales that the token limit ended."""
    share_a: dict[str, float]
    """Data set -> the share of pairs labelled A. Should be a half."""
    share_a_kept: dict[str, float]
    chances: tuple[int, ...]
    """Rationales by the probability of their label, in tenths from 0 to 1."""
    baseline: float | None
    """The mean probability of the label without the rationale, of the rationales asked about."""
    gain: float | None
    """How much the rationale adds to it, on average."""
    without_gain: int | None
    """Kept rationales that add nothing; None if nobody asked without them."""
    flips: float | None
    """The share of rationales whose two orders disagree."""
    not_applicable: dict[Dimension, float]
    """The share of readable rationales that say N/A."""
    agreement: dict[Dimension, float]
    """The share of kept rationales that agree with people on a dimension, where people and teacher
    both saw a difference."""
    tokens: dict[str, float]
    """Mean length of answers: `anchor`, `project`, `judge`."""
    projections: dict[str, int]
    """`kept`, or why not -> pointwise samples."""
    filters: tuple[FilterCount, ...]
    """Each filter that was asked for, against the faults that are known."""
    ingested: tuple[IngestCount, ...] = ()
    rows_lost: int = 0
    """Rows that are left out because a picture is no longer there."""
    rows: dict[str, int] = {}
    """What the training files hold: `parrot pairwise`, `parrot pointwise`, `direct …`."""


class ReportBuilder:
    """Counts pairs, one after another.

    Args:
        variant: the filter that decides.
    """

    def __init__(self, variant: Variant) -> None:
        self._variant = variant
        self._groups: dict[tuple[str, Task, Label], Counter[str]] = defaultdict(Counter)
        self._owed = 0
        self._refused: Counter[str] = Counter()
        self._cut_off = 0
        self._contradicted = 0
        self._retained: dict[str, list[bool]] = defaultdict(list)
        self._a: dict[str, list[bool]] = defaultdict(list)
        self._a_kept: dict[str, list[bool]] = defaultdict(list)
        self._chances = [0] * _BINS
        self._gains: list[tuple[float, float, bool]] = []
        self._flips: list[bool] = []
        self._not_applicable: dict[Dimension, list[bool]] = defaultdict(list)
        self._agreement: dict[Dimension, list[bool]] = defaultdict(list)
        self._tokens: dict[str, list[int]] = defaultdict(list)
        self._projections: Counter[str] = Counter()
        self._judged: dict[Variant, Counter[tuple[str | None, bool]]] = defaultdict(Counter)

    def add(self, state: PairState) -> None:
        """Count one pair."""
        pair = state.pair
        group = self._groups[pair.dataset, pair.task, pair.label]
        group["pairs"] += 1
        group["rationales"] += len(state.rationales)
        group["kept pairs"] += bool(state.kept)
        group["refused"] += len(state.refused)
        self._refused.update(answer.finish_reason for answer in state.refused)
        self._owed += len(state.owed)
        self._contradicted += pair.label != "tie" and not state.teaches
        if state.teaches:
            for name in ("all", pair.dataset):
                self._retained[name].append(bool(state.kept))
        if pair.label != "tie":
            self._a[pair.dataset].append(pair.label == "A")
        for rationale in state.rationales:
            self._count(rationale)
        for check in state.checks.get(self._variant, ()):
            group.update(GATES[: GATES.index(check.reason)] if check.reason else GATES)
            if check.chance is not None:
                self._chances[min(_BINS - 1, int(check.chance * _BINS))] += 1
            if check.gain is not None and check.baseline is not None:
                self._gains.append((check.baseline, check.gain, check.kept))
            if check.flipped is not None:
                self._flips.append(check.flipped)
        for rationale in state.kept:
            self._a_kept[pair.dataset].append(rationale.label == "A")
            self._compare(rationale)
        for projection in state.projections:
            self._projections[projection.fault or "kept"] += 1
            self._tokens["project"].append(projection.answer.tokens)
        self._tokens["judge"] += [direct.answer.tokens for direct in state.direct]
        for variant, checks in state.checks.items():
            self._judged[variant].update((c.rationale.answer.truth, c.kept) for c in checks)

    def report(self) -> ExportReport:
        """What was counted so far."""
        return ExportReport(
            variant=self._variant,
            groups=tuple(
                GroupCount(
                    dataset=dataset,
                    task=task,
                    label=label,
                    pairs=group["pairs"],
                    rationales=group["rationales"],
                    refused=group["refused"],
                    passed={gate: group[gate] for gate in GATES},
                    kept_pairs=group["kept pairs"],
                )
                for (dataset, task, label), group in sorted(self._groups.items())
            ),
            owed=self._owed,
            refused=dict(sorted(self._refused.items())),
            contradicted=self._contradicted,
            retention=_means(self._retained),
            cut_off=self._cut_off,
            share_a=_means(dict(sorted(self._a.items()))),
            share_a_kept=_means(dict(sorted(self._a_kept.items()))),
            chances=tuple(self._chances),
            baseline=fmean(found[0] for found in self._gains) if self._gains else None,
            gain=fmean(found[1] for found in self._gains) if self._gains else None,
            without_gain=sum(gain <= 0 and kept for _, gain, kept in self._gains)
            if self._gains
            else None,
            flips=fmean(self._flips) if self._flips else None,
            not_applicable=_means(self._not_applicable),
            agreement=_means(self._agreement),
            tokens=_means(self._tokens),
            projections=dict(self._projections),
            filters=tuple(_measured(v, counts) for v, counts in sorted(self._judged.items())),
        )

    def _count(self, rationale: Rationale) -> None:
        self._tokens["anchor"].append(rationale.answer.tokens)
        self._cut_off += rationale.failed == "finish"
        if rationale.critique is not None:
            for dimension, score in rationale.critique.scores_a.items():
                self._not_applicable[dimension].append(score is None)

    def _compare(self, rationale: Rationale) -> None:
        """Where people judged single dimensions: does the teacher agree?"""
        teacher = rationale.critique
        if teacher is None:
            return
        for dimension, label in (rationale.pair.dim_labels or {}).items():
            a, b = teacher.scores_a.get(dimension), teacher.scores_b.get(dimension)
            if label != "tie" and a is not None and b is not None and a != b:
                said = exchange("A" if a > b else "B", rationale.order)
                self._agreement[dimension].append(said == label)


def _means(found: Mapping[K, Sequence[float]]) -> dict[K, float]:
    return {key: fmean(values) for key, values in found.items() if values}


def _measured(variant: Variant, counts: Mapping[tuple[str | None, bool], int]) -> FilterCount:
    """What a filter did; counts are of (truth of the rationale, whether it was kept)."""
    faults = sorted({truth for truth, _ in counts if truth not in (None, SOUND)}, key=str)

    def total(kept: bool, *truths: str | None) -> int:
        return sum(n for (truth, k), n in counts.items() if k == kept and truth in truths)

    hits, misses = total(False, *faults), total(True, *faults)
    sound_kept, sound_rejected = total(True, SOUND), total(False, SOUND)
    return FilterCount(
        variant=variant,
        kept=sum(n for (_, kept), n in counts.items() if kept),
        rejected=sum(n for (_, kept), n in counts.items() if not kept),
        precision=_share(hits, hits + sound_rejected),
        recall=_share(hits, hits + misses),
        sound_kept=_share(sound_kept, sound_kept + sound_rejected),
        faulty_kept=_share(misses, misses + sound_kept),
        recall_by_fault={
            str(fault): total(False, fault) / (total(False, fault) + total(True, fault))
            for fault in faults
        },
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def summarise(report: ExportReport) -> str:
    """All that matters of a report."""
    parts = [_gates(report)]
    if report.retention:
        total, *sources = (f"{share:.1%} of {name}" for name, share in report.retention.items())
        parts.append(f"Retention: {total} pairs; {', '.join(sources)}.")
    if report.contradicted:
        parts.append(
            f"{report.contradicted} pairs are left out: the data also prefers their other picture."
        )
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
    if report.baseline is not None:
        parts.append(
            f"Without the rationale the label has {report.baseline:.1%}, with it "
            f"{report.gain:+.1%} more; {report.without_gain} of the kept ones add nothing."
        )
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
    if report.rows_lost:
        parts.append(f"{report.rows_lost} rows are left out: a picture of theirs is gone.")
    if report.rows:
        parts.append(f"Rows: {_counts(report.rows)}.")
    if report.refused or report.cut_off:
        lost = {**report.refused, "cut off": report.cut_off}
        parts.append(f"Without an answer for good: {_counts(lost)}.")
    if report.owed:
        parts.append(f"Not finished: {report.owed} questions are owed. Run again to ask them.")
    return "\n\n".join(parts) + "\n"


def _gates(report: ExportReport) -> str:
    head = ("data set", "task", "label", "pairs", "refused", "rationales", *GATES, "kept pairs")
    rows = [
        (
            group.dataset,
            group.task,
            group.label,
            group.pairs,
            group.refused,
            group.rationales,
            *(group.passed[gate] for gate in GATES),
            f"{group.kept_pairs} ({group.retention:.0%})",
        )
        for group in report.groups
    ]
    return _table(head, rows)


def _filters(report: ExportReport) -> str:
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
