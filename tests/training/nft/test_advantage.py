"""Groups, dimensions that do not apply, failures, and what is masked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from rr_refine.training.nft.advantage import Advantages, Aggregate, advantages

NAN = float("nan")


def of(
    scores: Sequence[Sequence[float]],
    groups: Sequence[int],
    aggregate: Aggregate = "mean",
    **more: float,
) -> Advantages:
    return advantages(
        np.array(scores),
        np.array(groups),
        aggregate=aggregate,
        **{"flat_below": 0.05} | more,  # type: ignore[arg-type]
    )


def test_flat_groups_are_masked_and_only_good_ones_are_solved() -> None:
    """Edit-R1's are F, T, F; the code of RationalRewards masked none but the last."""
    found = of([[0.5], [0.5], [0.17], [0.83], [0.97], [0.97]], [0, 0, 1, 1, 2, 2])
    assert found.valid.tolist() == [False, False, True, True, False, False]
    assert found.flat == (0, 2) and found.solved == (2,)


def test_the_spread_is_that_of_the_epoch_or_of_the_group() -> None:
    scores = [[0.4], [0.6], [0.1], [0.9]]
    epoch = of(scores, [0, 0, 1, 1])
    assert epoch.values[3] / epoch.values[1] == pytest.approx(4)
    group = advantages(np.array(scores), np.array([0, 0, 1, 1]), spread="group")
    assert group.values == pytest.approx([-1, 1, -1, 1], abs=0.01)


@pytest.mark.parametrize("aggregate", ["mean", "gdpo", "min"])
def test_a_failure_changes_nothing_but_its_own_sample(aggregate: Aggregate) -> None:
    whole = of([[0.2, 0.4], [0.6, 0.5], [0.3, 0.9], [0.1, 0.1]], [0, 0, 1, 1], aggregate)
    scores = [[0.2, 0.4], [0.6, 0.5], [NAN, NAN], [0.3, 0.9], [0.1, 0.1], [NAN, NAN]]
    failed = of(scores, [0, 0, 0, 1, 1, 1], aggregate)
    alive = [0, 1, 3, 4]
    assert failed.values[alive] == pytest.approx(whole.values)
    assert failed.valid.tolist() == [True, True, False, True, True, False]
    assert np.nanmean(failed.rewards) == pytest.approx(whole.rewards.mean())
    assert failed.failed == pytest.approx(1 / 3)


@pytest.mark.parametrize("aggregate", ["mean", "gdpo", "min"])
def test_a_dimension_applies_to_a_group_or_not(aggregate: Aggregate) -> None:
    """One critique that scores what the others call N/A is no difference of the pictures."""
    scores = [[0.5, NAN], [0.5, NAN], [0.5, 0.0]]
    assert of(scores, [0, 0, 0], aggregate).flat == (0,)
    # One that is missing where most have it is taken to be average.
    most = of([[0.5, 0.2], [0.5, 0.6], [0.5, NAN]], [0, 0, 0], aggregate)
    assert most.values[0] < most.values[2] < most.values[1]
    assert aggregate == "min" or most.values[2] == pytest.approx(0, abs=1e-9)


def test_gdpo_counts_a_dimension_of_small_spread_as_much() -> None:
    scores = [[0.1, 0.56], [0.9, 0.44], [0.1, 0.44], [0.9, 0.56]]
    mean, gdpo = of(scores, [0] * 4), of(scores, [0] * 4, "gdpo")
    assert abs(mean.values[0] - mean.values[2]) < 0.2 * abs(mean.values[0] - mean.values[1])
    assert gdpo.values == pytest.approx([0, 0, -(2**0.5), 2**0.5], abs=0.01)


def test_gdpo_keeps_a_group_whose_dimensions_trade_places() -> None:
    """Its sum is flat; but a dimension that is flat is noise, and must not be blown up."""
    trade = [[0.2, 0.8, 0.5], [0.8, 0.2, 0.501], [0.8, 0.2, 0.5], [0.2, 0.8, 0.501]]
    assert of(trade, [0] * 4).flat == (0,)
    gdpo = advantages(
        np.array(trade),
        np.zeros(4, dtype=np.int64),
        aggregate="gdpo",
        weights=np.array([2.0, 1, 1]),
    )
    assert gdpo.valid.all() and gdpo.values == pytest.approx([-1, 1, 1, -1], abs=0.01)


def test_min_is_the_worst_dimension_and_weights_leave_some_out() -> None:
    scores = [[0.2, 0.9], [0.8, 0.3]]
    assert of(scores, [0, 0], "min").rewards.tolist() == [0.2, 0.3]
    only = advantages(np.array(scores), np.array([0, 0]), weights=np.array([0.0, 1.0]))
    assert only.rewards.tolist() == [0.9, 0.3] and only.values[0] > 0


def test_a_survivor_alone_is_not_trained_on() -> None:
    found = of([[0.2], [NAN], [NAN]], [0, 0, 0])
    assert not found.valid.any() and found.values.tolist() == [0, 0, 0]


def test_best_and_worst_are_kept() -> None:
    found = of([[0.1], [0.5], [0.9], [0.4], [NAN], [0.3], [0.8]], [0, 0, 0, 0, 0, 1, 1])
    assert found.kept(2).tolist() == [True, False, True, False, False, True, True]
    assert found.kept(3).sum() == 5 and found.kept(None).sum() == 6
