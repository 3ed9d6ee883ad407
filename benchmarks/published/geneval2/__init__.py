"""GenEval 2: a question about every object, attribute, count and relation (arXiv 2512.16853)."""

from __future__ import annotations

from rr_refine.benchmarks.published.geneval2.benchmark import GenEval2, GenEval2Loader
from rr_refine.benchmarks.published.geneval2.scoring import (
    SUITES,
    first_tokens,
    hard_score,
    official_analysis,
    official_score,
    soft_score,
)

__all__ = [
    "SUITES",
    "GenEval2",
    "GenEval2Loader",
    "first_tokens",
    "hard_score",
    "official_analysis",
    "official_score",
    "soft_score",
]
