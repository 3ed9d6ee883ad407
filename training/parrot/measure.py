"""How good a filter is, where the faults of the rationales are known.

A hit is a faulty rationale that is rejected. Only a teacher that errs on purpose knows its faults;
for all others there are the counts alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from rr_refine.terms import Record
from rr_refine.training.parrot.options import Variant
from rr_refine.training.parrot.teacher import SOUND

__all__ = ["FilterCount", "measure"]


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


def measure(variant: Variant, counts: Mapping[tuple[str | None, bool], int]) -> FilterCount:
    """Measure a filter.

    Args:
        variant: the filter.
        counts: (truth of the rationale, whether it was kept) -> rationales.
    """
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
