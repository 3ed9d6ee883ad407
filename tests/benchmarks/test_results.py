from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from math import pi, sqrt

import pytest

from rr_refine.benchmarks.arms import make_arms
from rr_refine.benchmarks.item import Mark
from rr_refine.benchmarks.results import ArmResult, Difference, Noise, Results, summarise
from rr_refine.benchmarks.trial import Trial
from rr_refine.errors import ConfigError
from rr_refine.statistics import estimate
from tests.benchmarks.trials import JUDGED, PROGRAM, marked, of_parts, point, trial

ARMS = make_arms(2, names=["one-shot", "best-of-n", "refine"])


def curved(arm: str, item: int, *scores: float | None) -> Trial:
    """A trial by the scores with 1, 2, … renders allowed; None is no picture."""
    most = 1 if arm == "one-shot" else len(scores)
    return trial(
        arm,
        f"item-{item}",
        *(
            point(None if score is None else marked(score), min(i, most))
            for i, score in enumerate(scores, 1)
        ),
        labels={"difficulty": "easy" if item < 2 else "hard"},
        error=None if scores[-1] is not None else "GeneratorError: no brush",
    )


TRIALS = [
    *(curved("one-shot", i, s, s) for i, s in enumerate([4.0, 2.0, 3.0, None])),
    *(curved("best-of-n", i, 2.0, s) for i, s in enumerate([4.0, 4.0, 2.0, 2.0])),
    # Lost exactness; slightly worse, which is none; much worse; better.
    curved("refine", 0, 4.0, 3.95),
    curved("refine", 1, 3.0, 2.9),
    curved("refine", 2, 3.0, 2.5),
    curved("refine", 3, 1.0, 4.0),
]


@pytest.fixture(scope="module")
def results() -> Results:
    return summarise(lambda: TRIALS, ARMS, PROGRAM)


def test_rates(results: Results) -> None:
    one_shot, best_of_n, refine = results.arms
    assert [arm.exact.value for arm in results.arms] == [0.25, 0.5, 0.25]
    assert one_shot.score.value == pytest.approx((4.0 + 2.0 + 3.0 + 1.0) / 4), "no picture has 1"
    assert (one_shot.failed, best_of_n.failed) == (1, 0)
    assert refine.renders == 2.0
    assert refine.critic_calls == 2.0
    assert refine.stops == {"target": 4}
    by = best_of_n.exact_by["difficulty"]
    assert {name: (found.value, found.items) for name, found in by.items()} == {
        "easy": (1.0, 2),
        "hard": (0.0, 2),
    }


def test_regressions(results: Results) -> None:
    found = results.arms[2].regressions
    assert found.lost.value == 0.25
    assert found.worse.value == 0.25
    assert found.regressed.value == 0.5
    assert results.arms[0].regressions.regressed.value == 0.0


def test_how_much_worse_is_worse() -> None:
    wide = summarise(lambda: TRIALS, ARMS, PROGRAM, worse_by=0.6)
    assert wide.arms[2].regressions.worse.value == 0.0
    assert "0.6" in wide.definitions["worse"]


def test_differences(results: Results) -> None:
    gaps = {(d.arm, d.baseline): d.exact.value for d in results.differences}
    assert gaps == {
        ("one-shot", "best-of-n"): -0.25,
        ("best-of-n", "one-shot"): 0.25,
        ("refine", "one-shot"): 0.0,
        ("refine", "best-of-n"): -0.25,
    }
    hard = next(d for d in results.differences if d.arm == "refine" and d.baseline == "best-of-n")
    assert hard.exact_by["difficulty"]["easy"].value == -1.0
    assert hard.exact_by["difficulty"]["hard"].value == 0.5
    assert hard.score.value == pytest.approx((-0.05 - 1.1 + 0.5 + 2.0) / 4)
    assert hard.overall is None


def test_games_against_one_shot(results: Results) -> None:
    one_shot, best_of_n, refine = (arm.win_tie_loss for arm in results.arms)
    assert one_shot is None
    assert best_of_n is not None and refine is not None
    # 4, 4, 2, 2 against 4, 2, 3, and the 1 of no picture.
    assert (best_of_n.win, best_of_n.tie, best_of_n.loss) == (2, 1, 1)
    # 3.95, 2.9, 2.5, 4 against the same.
    assert (refine.win, refine.tie, refine.loss) == (2, 0, 2)
    without = summarise(lambda: TRIALS, ARMS[1:], PROGRAM)
    assert [arm.win_tie_loss for arm in without.arms] == [None, None]


def test_curves(results: Results) -> None:
    curve = results.arms[1].curve
    assert [(p.allowed, p.spent, p.exact.value, p.score.value) for p in curve] == [
        (1, 1.0, 0.0, 2.0),
        (2, 2.0, 0.5, 3.0),
    ]


def test_results_alone_make_no_curve() -> None:
    ended = [
        one.model_copy(update={"points": one.points[-1:]}) if one.arm == "refine" else one
        for one in TRIALS
    ]
    found = summarise(lambda: ended, ARMS, PROGRAM)
    assert [arm.curve for arm in found.arms] == [(), (), ()]
    assert found.arms[2].exact.value == 0.25


WORST = {"a": of_parts(A=(0, 1)), "b": of_parts(A=(0, 2), B=(0, 1)), "c": of_parts(B=(0, 1))}


def by_parts() -> list[Trial]:
    """Three items: A; A twice and B; B, which is not marked with one-shot."""
    old: dict[str, Mark | str]
    new: dict[str, Mark | str]
    old = {"a": of_parts(A=(1, 1)), "b": of_parts(A=(0, 2), B=(1, 1)), "c": "CriticTimeout: 60 s"}
    new = {"a": of_parts(A=(1, 1)), "b": of_parts(A=(2, 2), B=(1, 1)), "c": of_parts(B=(1, 1))}
    return [
        trial(
            arm,
            item,
            point(mark, 1 if arm == "one-shot" else 2),
            worst=WORST[item],
            tokens=900,
            triggered=arm == "refine" and item == "b",
        )
        for arm, marks in (("one-shot", old), ("refine", new))
        for item, mark in marks.items()
    ]


def two_arms(trials: Sequence[Trial], **options: object) -> tuple[ArmResult, ArmResult, Difference]:
    arms = make_arms(2, names=["one-shot", "refine"])
    found = summarise(lambda: trials, arms, JUDGED, **options)  # type: ignore[arg-type]
    return found.arms[0], found.arms[1], found.differences[-1]


def test_dimensions_and_both_averages() -> None:
    one_shot, refine, gap = two_arms(by_parts(), dimensions=["B", "A", "not in this suite"])
    assert one_shot.overall is not None and one_shot.overall_counted is not None
    assert one_shot.score_counted is not None and gap.overall is not None
    # A: 1 of 1 and 0 of 2; B: 1 of 1, and 0 of 1 of what has no mark.
    a, b = (one_shot.dimensions[name] for name in "AB")
    assert (a.items, b.items) == (2, 2)
    assert (a.value, b.value) == pytest.approx((1 / 3, 1 / 2))
    assert list(one_shot.dimensions) == ["B", "A"]
    assert one_shot.overall.value == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert one_shot.score.value == pytest.approx((1 + 1 / 3 + 0) / 3)
    # Without c: A is the same, B is 1 of 1.
    assert one_shot.overall_counted.value == pytest.approx((1 / 3 + 1) / 2)
    assert one_shot.overall_counted.items == 2
    assert one_shot.score_counted.value == pytest.approx((1 + 1 / 3) / 2)
    assert refine.overall == refine.overall_counted
    assert gap.overall.value == pytest.approx(1 - 5 / 12)
    assert gap.dimensions["A"].value == pytest.approx(2 / 3)
    assert gap.dimensions["B"].value == pytest.approx(1 / 2)


def test_finer_parts_are_no_dimensions() -> None:
    one_shot, _, _ = two_arms(by_parts(), dimensions=["A"])
    assert one_shot.overall is not None
    assert one_shot.overall.value == pytest.approx(1 / 3)
    assert list(one_shot.dimensions) == ["A", "B"]


def test_coverage() -> None:
    trials = by_parts()
    trials[1] = trial(
        "one-shot", "b", point(None), worst=WORST["b"], error="GeneratorRefused: a cat: no"
    )
    one_shot, refine, _ = two_arms(trials, dimensions=["A", "B"])
    assert one_shot.coverage.model_dump() == {
        "items": 3,
        "pictures": 2,
        "marked": 1,
        "missing": {"CriticTimeout": 1, "no picture (GeneratorRefused)": 1},
    }
    assert refine.coverage.missing == {}
    assert one_shot.failed == 1


def test_nothing_is_marked() -> None:
    one_shot, _, _ = two_arms([trial(a, "a", point("no judge")) for a in ("one-shot", "refine")])
    assert one_shot.coverage.marked == 0
    assert one_shot.score_counted is None
    assert one_shot.overall is None


def test_what_was_spent() -> None:
    one_shot, refine, _ = two_arms(by_parts())
    assert (one_shot.renders, refine.renders) == (1.0, 2.0)
    assert refine.tokens == 900.0
    assert (one_shot.triggered.value, refine.triggered.value) == pytest.approx((0.0, 1 / 3))


def test_samples_of_a_prompt_count_as_one_cluster() -> None:
    # Three samples each of two prompts: all exact, none exact. The interval is that of two items.
    def group(arm: str, prompt: str, score: float) -> list[Trial]:
        return [trial(arm, f"{prompt}{i}", point(marked(score)), group=prompt) for i in range(3)]

    trials = [
        *group("one-shot", "p", 4.0),
        *group("one-shot", "q", 1.0),
        *group("refine", "p", 4.0),
        *group("refine", "q", 4.0),
    ]
    one_shot, _, gap = two_arms(trials)
    two = estimate([1.0, 0.0])
    assert one_shot.exact == two.model_copy(update={"items": 6})
    assert gap.exact.value == 0.5
    assert (gap.exact.low, gap.exact.high) == (-1.0, 1.0)


def test_arms_in_another_order_of_trials_are_paired_all_the_same() -> None:
    scores = {"a": 4.0, "b": 1.0, "c": 4.0}
    for order in permutations(scores):
        trials = [trial("one-shot", item, point(marked(scores[item]))) for item in scores]
        trials += [trial("refine", item, point(marked(scores[item]))) for item in order]
        _, _, gap = two_arms(trials)
        # no item differs, and so nothing varies
        assert (gap.score.value, gap.score.low, gap.score.high) == (0.0, None, None)


@pytest.mark.parametrize(
    ("trials", "unfinished"),
    [(TRIALS[:-1], 1), ([*TRIALS, curved("refine", 9, 1.0, 1.0)], 1), (TRIALS, 0)],
)
def test_only_items_that_all_arms_have_are_compared(
    trials: Sequence[Trial], unfinished: int
) -> None:
    found = summarise(lambda: trials, ARMS, PROGRAM)
    assert found.unfinished == unfinished
    assert {arm.items for arm in found.arms} == {4 if trials != TRIALS[:-1] else 3}


@pytest.mark.parametrize(
    ("trials", "words"),
    [([*TRIALS, TRIALS[5]], "'best-of-n' are of the same item, 'item-1'"), (TRIALS[:4], "no item")],
)
def test_refusals(trials: Sequence[Trial], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        summarise(lambda: trials, ARMS, PROGRAM)


def test_what_judging_alone_makes_of_a_difference() -> None:
    noise = Noise(pictures=40, difference=0.1, flipped=0.05)
    # Deviation of one score: 0.1 sqrt(pi) / 2 = 0.08862; of a difference of two means over 100
    # items: 0.08862 sqrt(2 / 100) = 0.012533; 1.96 times that: 0.024565.
    assert noise.floor(100) == pytest.approx(0.024565, abs=1e-6)
    assert noise.floor(400) == pytest.approx(noise.floor(100) / 2)
    assert noise.floor(1) == pytest.approx(1.96 * 0.1 * sqrt(pi) / 2 * sqrt(2))
