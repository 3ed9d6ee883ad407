"""Options of data production: what is asked of the teacher, and what is kept of its answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rr_refine.terms import Record

__all__ = ["ParrotOptions", "Variant"]

Variant = Literal["predictive", "paper"]
"""How rationales are filtered.

- `predictive`: the text's own checks, and the label has to follow from the pictures and the
  rationale without scores, winners and summary, averaged over both orders.
- `paper`: as the paper describes its prompt (appendix C.2): from the whole rationale, scores
  included, without pictures, once, with a tie allowed. Nothing else is checked.
"""


class ParrotOptions(Record):
    """The config section `[parrot]`."""

    variant: Variant = "predictive"
    """Which filter decides."""
    compare: bool = False
    """Ask for the other variant too, so that the report can compare the two."""
    attempts: int = Field(default=1, ge=1, le=16)
    """Rationales that are tried for a pair until one is kept (paper: not given)."""
    both_orders: bool = False
    """Also write a rationale that calls the pair's Image B Image A: twice the pairwise rows."""
    tau: float = Field(default=0.6, gt=0, lt=1)
    """Least probability of the label, averaged over both orders."""
    gap: float = Field(default=0.25, ge=0)
    """Least lead of the better picture, summed over the dimensions scored for both."""
    min_words: int = Field(default=10, ge=0)
    """Fewest words of evidence; less is vague."""
    max_words: int = Field(default=1500, ge=1)
    """Most words of evidence; more is repetition."""
    project: bool = True
    """Make pointwise samples of kept pairs."""
    tolerance: float = Field(default=0.5, ge=0)
    """How far a pointwise score may be from the comparison's."""
    direct: bool = False
    """Also ask without the label, for the ablation: direct distillation, unfiltered."""
