"""Which of the protocols a benchmark has."""

from __future__ import annotations

from rr_refine.benchmarks.item import Benchmark
from rr_refine.benchmarks.protocol import AsksJudge, Layout, OfficialScore, ScoresFiles


def is_whole(benchmark: Benchmark) -> bool:
    """Does it lay out pictures, ask a judge, and score its answers and files as officially?"""
    parts = (Layout, AsksJudge, OfficialScore, ScoresFiles)
    return all(isinstance(benchmark, part) for part in parts)
