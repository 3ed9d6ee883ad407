from __future__ import annotations

import random
from math import sqrt

import pytest
from scipy.stats import binomtest, ttest_1samp

from rr_refine.statistics import Clusters, estimate, estimate_by, unpaired

SHARES = [(25, 25), (25, 24), (10, 1), (300, 0), (300, 150), (300, 300), (2, 1)]


@pytest.mark.parametrize(("items", "ones"), SHARES)
def test_a_share_has_wilson_s_interval(items: int, ones: int) -> None:
    found = Clusters(items).mean([1.0] * ones + [0.0] * (items - ones))
    wilson = binomtest(ones, items).proportion_ci(method="wilson")
    assert (found.value, found.items) == (ones / items, items)
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high))


def test_a_mean_without_known_ends_has_student_s() -> None:
    values = [0.1 * index**2 for index in range(17)]
    found = estimate(values, scale=None)
    student = ttest_1samp(values, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((student.low, student.high))


def test_a_mean_between_known_ends_stays_between_them() -> None:
    found = estimate([4.0] * 24 + [1.0], scale=(1.0, 4.0))
    share = estimate([1.0] * 24 + [0.0])
    assert share.low is not None and share.high is not None
    assert (found.low, found.high) == pytest.approx((1 + 3 * share.low, 1 + 3 * share.high))
    same = estimate([4.0] * 25, scale=(1.0, 4.0))
    assert same.high == 4.0
    assert same.low == pytest.approx(1 + 3 * 0.8668, abs=1e-3)


@pytest.mark.parametrize("scale", [None, (0.0, 1.0)])
def test_a_single_cluster_has_no_interval(scale: tuple[float, float] | None) -> None:
    for groups in (["a"] * 4, None):
        values = [1.0, 0.0, 0.0, 0.0] if groups else [1.0]
        found = Clusters(len(values), groups=groups).mean(values, scale)
        assert (found.low, found.high) == (None, None)
        gap = Clusters(len(values), groups=groups).difference(values, values, scale)
        assert (gap.low, gap.high) == (None, None)


def test_what_does_not_vary_has_an_interval_only_between_known_ends() -> None:
    assert estimate([3.5] * 20, scale=None).low is None
    found = estimate([0.5] * 20)
    assert found.low is not None and found.high is not None
    assert found.low < 0.5 < found.high


def test_clusters_that_are_alike_count_as_one() -> None:
    values = [1.0] * 40 + [0.0] * 40
    four = Clusters(80, groups=[str(index // 4) for index in range(80)]).mean(values)
    alone = Clusters(20).mean([1.0] * 10 + [0.0] * 10)
    assert (four.value, four.low, four.high) == (alone.value, alone.low, alone.high)
    # Where those of a cluster are as different as of any two, they count nearly each.
    mixed = Clusters(80, groups=[str(index % 20) for index in range(80)]).mean(values)
    assert mixed.low is not None and four.low is not None
    assert mixed.low > four.low
    all_right = Clusters(80, groups=[str(index // 4) for index in range(80)]).mean([1.0] * 80)
    assert all_right.low == Clusters(20).mean([1.0] * 20).low


def test_differences_of_shares_are_those_of_bonett_and_price() -> None:
    # 40 pairs: 6 that only the first has, 2 that only the second has.
    one = [1.0] * 6 + [0.0] * 2 + [1.0] * 32
    other = [0.0] * 6 + [1.0] * 2 + [1.0] * 32
    found = Clusters(40).difference(one, other)
    more, less = 7 / 42, 3 / 42
    half = 1.959964 * sqrt((more + less - (more - less) ** 2) / 42)
    assert found.value == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((more - less - half, more - less + half))
    same = Clusters(25).difference([1.0] * 25, [1.0] * 25)
    assert same.low is not None and same.high is not None
    assert -0.12 < same.low == -same.high < -0.08


def test_differences_are_paired() -> None:
    baseline = [float(index % 7) for index in range(40)]
    better = [value + 0.25 + 0.01 * (index % 2) for index, value in enumerate(baseline)]
    gain = Clusters(40).difference(better, baseline, scale=None)
    assert gain.low is not None and gain.high is not None
    assert 0.25 < gain.low < gain.value < gain.high < 0.26


def test_ratio_of_sums() -> None:
    found = Clusters(4).ratio([2, 0, 3, 1], [2, 1, 4, 2])
    assert found.value == pytest.approx(6 / 9)
    assert found.low is not None and found.high is not None
    assert 0 < found.low < found.value < found.high < 1


def test_ratio_without_a_denominator() -> None:
    nothing = Clusters(2).ratio([0, 0], [0, 0])
    assert (nothing.value, nothing.low) == (0.0, None)
    # The second item has nothing to tell: one cluster is left.
    assert Clusters(2).ratio([1, 0], [2, 0]).low is None
    three = Clusters(3).ratio([1, 0, 2], [2, 0, 2])
    two = Clusters(2).ratio([1, 2], [2, 2])
    assert (three.value, three.low, three.high) == (two.value, two.low, two.high)


def test_no_chance_and_no_order() -> None:
    values = [float(number % 3 > 0) for number in range(50)]
    groups = [str(number % 20) for number in range(50)]
    first = Clusters(50, groups=groups).mean(values)
    assert first == Clusters(50, groups=groups).mean(values)
    order = random.Random(1).sample(range(50), 50)
    other = Clusters(50, groups=[groups[i] for i in order]).mean([values[i] for i in order])
    assert (other.low, other.high) == pytest.approx((first.low, first.high))


def test_groups() -> None:
    found = estimate_by(["a", "b", "a"], [1.0, 0.0, 0.5])
    assert {group: (e.value, e.items) for group, e in found.items()} == {
        "a": (0.75, 2),
        "b": (0.0, 1),
    }


def test_refusals() -> None:
    with pytest.raises(ValueError, match="no items"):
        estimate([])
    with pytest.raises(ValueError, match="needs 3 values"):
        Clusters(3).mean([1.0, 2.0])
    with pytest.raises(ValueError, match="needs 3 groups"):
        Clusters(3, groups=["a"])


def test_differences_of_other_items() -> None:
    # Newcombe (1998), the first example of his table II: 56 of 70 and 48 of 80.
    one, other = (estimate([1.0] * k + [0.0] * (n - k)) for k, n in ((56, 70), (48, 80)))
    found = unpaired(one, other)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert unpaired(one, estimate([1.0])).low is None
