from __future__ import annotations

import tracemalloc

import pytest

from rr_refine.statistics import Bootstrap, estimate, estimate_by

# What the resampled mean of n values, of which k are 1 and the others 0, is distributed as: a
# binomial with chance k / n, whose 2.5 and 97.5 percentiles can be looked up.
BINOMIAL = [
    (1, 1, 1.0, 1.0),
    (2, 1, 0.0, 1.0),  # 0, 1/2, 1 with chances 1/4, 1/2, 1/4
    (4, 2, 0.0, 1.0),  # 6.25 % at either end
    (6, 3, 1 / 6, 5 / 6),  # 1.6 % at either end, 10.9 % up to the next
    (10, 1, 0.0, 0.3),  # 35 % at 0; 93.0 % up to 0.2, 98.7 % up to 0.3
    (300, 0, 0.0, 0.0),
    (300, 300, 1.0, 1.0),
]


@pytest.mark.parametrize(("items", "ones", "low", "high"), BINOMIAL)
def test_interval_of_a_share(items: int, ones: int, low: float, high: float) -> None:
    found = Bootstrap(items).mean([1.0] * ones + [0.0] * (items - ones))
    assert found.value == ones / items
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(high)
    assert found.items == items


def test_width_of_a_share_of_many() -> None:
    found = estimate([1.0] * 150 + [0.0] * 150)
    # The normal interval is 0.5 +- 1.96 sqrt(0.25 / 300) = 0.443 to 0.557.
    assert found.low == pytest.approx(0.443, abs=0.005)
    assert found.high == pytest.approx(0.557, abs=0.005)


def test_differences_are_paired() -> None:
    baseline = [float(index % 2) for index in range(40)]
    better = [value + 0.25 for value in baseline]
    bootstrap = Bootstrap(40)
    gain = bootstrap.difference(better, baseline)
    assert (gain.value, gain.low, gain.high) == (0.25, 0.25, 0.25)
    assert bootstrap.mean(better).low < bootstrap.mean(better).high


def test_ratio_of_sums() -> None:
    # F1 of two items with TP 1 and 0, FP 0 and 1, FN 0 and 0: 2 / 3. Resamples are the first item
    # twice (1), both (2 / 3), and the second twice (0).
    found = Bootstrap(2).ratio([2, 0], [2, 1])
    assert found.value == pytest.approx(2 / 3)
    assert (found.low, found.high) == (0.0, 1.0)


def test_ratio_without_a_denominator() -> None:
    assert Bootstrap(2).ratio([0, 0], [0, 0]).value == 0.0
    # Resamples without the first item have none, and are left out.
    assert Bootstrap(2).ratio([1, 0], [2, 0]).low == 0.5


def test_same_seed_same_interval() -> None:
    values = [0.1 * index for index in range(17)]
    assert Bootstrap(17).mean(values) == Bootstrap(17).mean(values)
    assert Bootstrap(17, seed=1).mean(values) != Bootstrap(17).mean(values)


def test_groups() -> None:
    found = estimate_by(["a", "b", "a"], [1.0, 0.0, 0.5])
    assert {group: (e.value, e.items) for group, e in found.items()} == {
        "a": (0.75, 2),
        "b": (0.0, 1),
    }


def test_refusals() -> None:
    with pytest.raises(ValueError, match="nothing to resample"):
        estimate([])
    with pytest.raises(ValueError, match="needs 3 values"):
        Bootstrap(3).mean([1.0, 2.0])
    with pytest.raises(ValueError, match="needs 3 groups"):
        Bootstrap(3, groups=["a"])


def test_groups_are_drawn_as_one() -> None:
    values = [1.0] * 3 + [0.0] * 3
    together = Bootstrap(6, groups=["a"] * 3 + ["b"] * 3).mean(values)
    assert (together.value, together.low, together.high, together.items) == (0.5, 0.0, 1.0, 6)
    # Groups of 3 and 1: both of the first (1), one of each (3 / 4), both of the second (0).
    uneven = Bootstrap(4, groups=["a", "b", "a", "a"]).mean([1.0, 0.0, 1.0, 1.0])
    assert (uneven.value, uneven.low, uneven.high) == (0.75, 0.0, 1.0)
    alone = Bootstrap(6, groups=list("abcdef")).mean(values)
    assert alone == Bootstrap(6).mean(values)


def test_statistics_of_sums_share_their_resamples() -> None:
    values = {"new": [1.0, 0.0, 1.0], "old": [0.5, 0.0, 0.5], "items": [1.0] * 3}
    sums = Bootstrap(3).sums(list(values), values.__getitem__)
    found = sums.estimate(lambda of: of("old") / of("new"), 3)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert sums.estimate(lambda of: of("new") / of("items"), 3) == Bootstrap(3).mean(values["new"])


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [0.1 * index for index in range(17)]
    whole = Bootstrap(17, seed=3).mean(values)
    monkeypatch.setattr("rr_refine.statistics._KEPT", 0)
    monkeypatch.setattr("rr_refine.statistics._BLOCK", 70)
    pieces = Bootstrap(17, seed=3).mean(values)
    assert (pieces.low, pieces.high) == pytest.approx((whole.low, whole.high))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    # All counts at once would take 30,000 x 100 x 8 bytes = 24 MB, twice over.
    monkeypatch.setattr("rr_refine.statistics._KEPT", 0)
    tracemalloc.start()
    try:
        Bootstrap(30_000, resamples=100).mean([1.0] * 30_000)
        assert tracemalloc.get_traced_memory()[1] < 16e6
    finally:
        tracemalloc.stop()
