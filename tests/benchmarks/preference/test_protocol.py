from __future__ import annotations

import pytest

from rr_refine.benchmarks.preference.item import DECIDED, Truth
from rr_refine.benchmarks.preference.protocol import (
    EvaluationProtocol,
    Mode,
    OfficialRule,
    Order,
    PairOutcome,
    measure_accuracy,
)
from rr_refine.reward.preferences.pair import Label
from rr_refine.statistics import estimate

ALL: frozenset[Mode] = frozenset({"pairwise", "pointwise"})
PLAIN = EvaluationProtocol("plain", "All.", OfficialRule("forward", ALL))


def said(
    truth: Truth,
    forward: Label | None,
    reverse: Label | None,
    *,
    group: str = "",
    size: int = 2,
    failure: str | None = None,
    unanswered: bool = False,
) -> PairOutcome:
    if forward is None and failure is None:
        failure = "CriticUnreadable"
    number = next(_numbers)
    return PairOutcome(
        id=str(number),
        group=group or str(number),
        size=size,
        mode="pairwise",
        truth=truth,
        forward=forward,
        reverse=reverse,
        failure=failure,
        unanswered=unanswered,
    )


_numbers = iter(range(10**6))


@pytest.mark.parametrize(
    ("truth", "verdict", "right"),
    [
        ("A", "A", True),
        ("A", "B", False),
        ("A", "tie", False),
        ("B", "B", True),
        ("B", "tie", False),
        ("tie", "tie", True),
        ("tie", "A", False),
        ("both_bad", "tie", True),
        ("both_bad", "B", False),
        ("tie", None, False),
    ],
)
@pytest.mark.parametrize("order", ["forward", "reverse"])
def test_what_is_right(truth: Truth, verdict: Label | None, right: bool, order: Order) -> None:
    wrong: Label = "B" if truth == "A" else "A"
    outcome = said(truth, *((verdict, wrong) if order == "forward" else (wrong, verdict)))
    assert outcome.right(order) == right


def test_each_order_counts_half_and_failures_are_wrong() -> None:
    found = measure_accuracy(
        PLAIN,
        "pairwise",
        [
            said("A", "A", "A"),  # 1
            said("B", "A", "B"),  # 1/2
            said("tie", "tie", "A"),  # 1/2
            said("A", None, None, failure="CriticTimeout", unanswered=True),  # 0
            said("A", None, None),  # 0
        ],
    )
    assert found is not None
    assert found.accuracy.value == 2 / 5
    assert found.both_orders is not None and found.both_orders.value == 1 / 5
    assert found.official == 2 / 5  # forward: the first and the third
    assert (found.pairs, found.units) == (5, 5)
    assert found.failures == {"CriticTimeout": 1, "CriticUnreadable": 1}
    # Of three answered pairs, one says the same in both orders.
    assert found.consistent is not None and found.consistent.value == 1 / 3
    assert found.consistent.items == 3
    # Named pictures: A first, A second; A first, B first; A second. Three of five were first.
    assert found.first is not None and found.first.value == 3 / 5
    assert found.first.items == 5


# Two right, one wrong, one without an answer, one that cannot be read; forward only.
@pytest.mark.parametrize(
    ("drops", "official"), [("nothing", 2 / 5), ("unanswered", 2 / 4), ("failed", 2 / 3)]
)
def test_what_leaves_the_official_denominator(drops: str, official: float) -> None:
    outcomes = [
        said("A", "A", "B"),
        said("B", "B", "B"),
        said("A", "tie", "A"),
        said("A", None, None, failure="CriticUnavailable", unanswered=True),
        said("A", None, None),
    ]
    protocol = EvaluationProtocol("x", "All.", OfficialRule("", ALL, drops=drops))  # type: ignore[arg-type]
    found = measure_accuracy(protocol, "pairwise", outcomes)
    assert found is not None
    assert found.official == official
    assert found.accuracy.value == 2.0 / 5  # 1/2 + 1 + 1/2: ours does not depend on it


def test_both_orders_of_the_official_number() -> None:
    official = OfficialRule("", ALL, orders=("forward", "reverse"), drops="failed")
    outcomes = [said("A", "A", "B"), said("B", "B", "B"), said("A", None, None)]
    found = measure_accuracy(EvaluationProtocol("x", "All.", official), "pairwise", outcomes)
    assert found is not None
    assert found.official == 3 / 4
    assert found.accuracy.value == 3 / 6


def test_labels_that_do_not_count_are_left_out() -> None:
    outcomes = [said("A", "A", "A"), said("tie", "A", "A"), said("both_bad", "A", "A")]
    protocol = EvaluationProtocol("non-tie", "", OfficialRule("", ALL), truths=DECIDED)
    found = measure_accuracy(protocol, "pairwise", outcomes)
    assert found is not None
    assert (found.accuracy.value, found.pairs) == (1.0, 1)
    assert measure_accuracy(protocol, "pairwise", outcomes[1:]) is None
    assert measure_accuracy(protocol, "pointwise", outcomes) is None


def three(group: str, *verdicts: Label | None) -> list[PairOutcome]:
    """A group of three edits; A is always better, and the reverse order always right."""
    return [
        said("A", v, "A" if v else None, group=group, size=3, unanswered=v is None)
        for v in verdicts
    ]


def test_groups_are_right_as_a_whole() -> None:
    protocol = EvaluationProtocol(
        "K3", "", OfficialRule("", ALL, drops="unanswered"), size=3, grouped=True
    )
    outcomes = [
        *three("right", "A", "A", "A"),
        *three("one wrong", "A", "B", "A"),
        *three("one silent", "A", None, "A"),
        *three("all silent", None, None, None),
        *three("torn", "A", "A"),
        said("A", "B", "B", group="of two", size=2),
    ]
    found = measure_accuracy(protocol, "pairwise", outcomes)
    assert found is not None
    # Ours, of five: right 1, one wrong 1/2 (the reverse order), torn 1 by what there is.
    assert found.accuracy.value == 2.5 / 5
    # Official: "all silent" leaves, and of the other four only "right" is whole and right.
    assert found.official == 1 / 4
    assert (found.units, found.pairs) == (5, 14)
    without = measure_accuracy(protocol, "pairwise", outcomes, {"one wrong"})
    assert without is not None
    assert without.accuracy.value == 2 / 4


def test_pairs_of_a_group_count_as_one_cluster() -> None:
    together = [said("A", "A", "A", group="x") for _ in range(50)]
    together += [said("A", "B", "B", group="y") for _ in range(50)]
    found = measure_accuracy(PLAIN, "pairwise", together)
    assert found is not None
    # As of two pairs.
    two = estimate([1.0, 0.0])
    assert found.accuracy == two.model_copy(update={"items": 100})
    apart = measure_accuracy(
        PLAIN, "pairwise", [o.model_copy(update={"group": o.id}) for o in together]
    )
    assert apart is not None
    assert apart.accuracy.low is not None and apart.accuracy.high is not None
    assert 0.35 < apart.accuracy.low < 0.45 and 0.55 < apart.accuracy.high < 0.65
