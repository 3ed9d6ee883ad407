from __future__ import annotations

from math import sqrt

from tests.benchmarks.coverage import ITEMS, KINDS, coverage

DRAWS = 300
CHANCE = 2 * sqrt(0.93 * 0.07 / DRAWS)
"""Two standard errors of so many draws; the script draws 2,000."""


def test_intervals_hold_what_they_should() -> None:
    rows = list(coverage(DRAWS))
    assert len(rows) == len(ITEMS) * (1 + len(KINDS))
    for kind, items, found in rows:
        lowest = 0.93 if "exact" in kind else 0.93 - CHANCE
        assert min(found) >= lowest, (kind, items, found)
