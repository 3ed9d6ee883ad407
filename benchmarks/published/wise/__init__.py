"""WISE (Verified): pictures that take knowledge of the world (arXiv 2503.07265)."""

from __future__ import annotations

from rr_refine.benchmarks.published.wise.benchmark import Wise, WiseLoader
from rr_refine.benchmarks.published.wise.scoring import (
    SUITES,
    category_of,
    clean_answer,
    official_parse,
    official_score,
)

__all__ = [
    "SUITES",
    "Wise",
    "WiseLoader",
    "category_of",
    "clean_answer",
    "official_parse",
    "official_score",
]
