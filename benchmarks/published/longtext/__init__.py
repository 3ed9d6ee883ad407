"""LongText-Bench: can a judge read the long texts in the picture? (X-Omni, arXiv 2507.22058)"""

from __future__ import annotations

from rr_refine.benchmarks.published.longtext.benchmark import SUITES, LongText, LongTextLoader
from rr_refine.benchmarks.published.longtext.scoring import (
    TextMatch,
    clean_answer,
    match_text,
    official_score,
)

__all__ = [
    "SUITES",
    "LongText",
    "LongTextLoader",
    "TextMatch",
    "clean_answer",
    "match_text",
    "official_score",
]
