"""The report: how many went in, how many came through each gate, and what looks odd.

A sudden shift in any of its numbers is the cheapest detector of broken data.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from statistics import fmean

from rr_refine.reward.preferences.pair import Label, exchange
from rr_refine.terms import Dimension, Record, Task
from rr_refine.training.parrot.consistency import Verdict
from rr_refine.training.parrot.ingest import IngestCount
from rr_refine.training.parrot.measure import FilterCount, measure
from rr_refine.training.parrot.options import Variant
from rr_refine.training.parrot.rationale import GATES, Gate, Rationale
from rr_refine.training.parrot.walk import Walk

__all__ = ["GroupCount", "Report", "Reporter"]

_BINS = 10


class GroupCount(Record):
    """Pairs of one data set, task and label, and their rationales."""

    dataset: str
    task: Task
    label: Label
    pairs: int
    rationales: int
    """That the teacher wrote; with further attempts more than pairs."""
    passed: dict[Gate, int]
    """Rationales that passed this gate and all before it."""
    kept_pairs: int

    @property
    def retention(self) -> float:
        """The share of pairs that are kept."""
        return self.kept_pairs / self.pairs if self.pairs else 0.0


class Report(Record):
    """All numbers of one export."""

    variant: Variant
    groups: tuple[GroupCount, ...]
    owed: int
    """Questions that are not answered yet, as far as they are known."""
    share_a: dict[str, float]
    """Data set -> the share of pairs labelled A. Should be a half."""
    share_a_kept: dict[str, float]
    chances: tuple[int, ...]
    """Rationales by the probability of their label, in tenths from 0 to 1."""
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
    rows: dict[str, int] = {}
    """What the training files hold: `parrot pairwise`, `parrot pointwise`, `direct …`."""


class Reporter:
    """Counts walks, one after another.

    Args:
        variant: the filter that decides.
    """

    def __init__(self, variant: Variant) -> None:
        self._variant = variant
        self._groups: dict[tuple[str, Task, Label], Counter[str]] = defaultdict(Counter)
        self._owed = 0
        self._kept: list[tuple[str, Label]] = []
        self._chances = [0] * _BINS
        self._flips: list[bool] = []
        self._not_applicable: dict[Dimension, list[bool]] = defaultdict(list)
        self._agreement: dict[Dimension, list[bool]] = defaultdict(list)
        self._tokens: dict[str, list[int]] = defaultdict(list)
        self._projections: Counter[str] = Counter()
        self._judged: dict[Variant, Counter[tuple[str | None, bool]]] = defaultdict(Counter)

    def add(self, walk: Walk) -> None:
        """Count one pair."""
        pair = walk.pair
        group = self._groups[pair.dataset, pair.task, pair.label]
        group["pairs"] += 1
        group["rationales"] += len(walk.rationales)
        group["kept pairs"] += bool(walk.kept)
        self._owed += len(walk.owed)
        for rationale in walk.rationales:
            self._count(rationale)
        for verdict in walk.verdicts.get(self._variant, ()):
            group.update(_passed(verdict))
            if verdict.chance is not None:
                self._chances[min(_BINS - 1, int(verdict.chance * _BINS))] += 1
            if verdict.flipped is not None:
                self._flips.append(verdict.flipped)
        for verdict in walk.kept:
            self._kept.append((pair.dataset, verdict.rationale.label))
            self._compare(verdict.rationale)
        for projection in walk.projections:
            self._projections[projection.fault or "kept"] += 1
            self._tokens["project"].append(projection.answer.tokens)
        self._tokens["judge"] += [direct.answer.tokens for direct in walk.direct]
        for variant, verdicts in walk.verdicts.items():
            self._judged[variant].update((v.rationale.answer.truth, v.kept) for v in verdicts)

    def report(self) -> Report:
        """What was counted so far."""
        labels = [
            (dataset, label)
            for (dataset, _, label), group in self._groups.items()
            for _ in range(group["pairs"])
        ]
        return Report(
            variant=self._variant,
            groups=tuple(
                GroupCount(
                    dataset=dataset,
                    task=task,
                    label=label,
                    pairs=group["pairs"],
                    rationales=group["rationales"],
                    passed={gate: group[gate] for gate in GATES},
                    kept_pairs=group["kept pairs"],
                )
                for (dataset, task, label), group in sorted(self._groups.items())
            ),
            owed=self._owed,
            share_a=_share_a(labels),
            share_a_kept=_share_a(self._kept),
            chances=tuple(self._chances),
            flips=fmean(self._flips) if self._flips else None,
            not_applicable={d: fmean(na) for d, na in self._not_applicable.items()},
            agreement={d: fmean(agreed) for d, agreed in self._agreement.items()},
            tokens={kind: fmean(found) for kind, found in self._tokens.items() if found},
            projections=dict(self._projections),
            filters=tuple(measure(v, counts) for v, counts in sorted(self._judged.items())),
        )

    def _count(self, rationale: Rationale) -> None:
        self._tokens["anchor"].append(rationale.answer.tokens)
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


def _passed(verdict: Verdict) -> list[str]:
    """The gates that a rationale passed, up to the first that it did not."""
    return list(GATES[: GATES.index(verdict.reason)] if verdict.reason else GATES)


def _share_a(labels: Iterable[tuple[str, Label]]) -> dict[str, float]:
    found: dict[str, list[bool]] = defaultdict(list)
    for dataset, label in labels:
        if label != "tie":
            found[dataset].append(label == "A")
    return {dataset: fmean(a) for dataset, a in sorted(found.items())}
