from __future__ import annotations

import pytest
from pydantic import ValidationError

from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison, PairwiseCritique, Winner
from rr_refine.reward.critique import Critique
from rr_refine.terms import Dimension, Identity, Task, Usage, dimensions_of

CRITIC = Identity(kind="test", name="critic")
Scores = tuple[float | None, ...]


def critique(task: Task, *scores: float | None) -> Critique:
    dimensions = dimensions_of(task)
    return Critique(
        task=task,
        scores=dict(zip(dimensions, scores, strict=True)),
        rationales=dict.fromkeys(dimensions),
        raw="raw",
    )


def assessment(*samples: Scores, failures: tuple[str, ...] = ()) -> Assessment:
    critiques = tuple(critique("t2i", *scores) for scores in samples)
    return Assessment(critic=CRITIC, critiques=critiques, failures=failures)


def pairwise(a: Scores, b: Scores) -> PairwiseCritique:
    dimensions = dimensions_of("t2i")
    return PairwiseCritique(
        task="t2i",
        scores_a=dict(zip(dimensions, a, strict=True)),
        scores_b=dict(zip(dimensions, b, strict=True)),
        winners=dict.fromkeys(dimensions),
        rationales=dict.fromkeys(dimensions),
        raw="raw",
    )


@pytest.mark.parametrize(
    ("scores", "reward"),
    [
        ((1.0, 1.0, 1.0), 0.0),
        ((4.0, 4.0, 4.0), 1.0),
        ((4.0, 2.5, 1.0), 0.5),
        ((2.5, 2.5, None), 0.5),
        ((4.0, None, None), 1.0),
    ],
)
def test_reward_is_the_scaled_mean_of_what_applies(scores: Scores, reward: float) -> None:
    assert critique("t2i", *scores).reward == pytest.approx(reward)


def test_reward_of_an_edit_counts_image_faithfulness() -> None:
    assert critique("edit", 4.0, 1.0, 4.0, None).reward == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ((0.9, 3.0, None), "outside"),
        ((4.1, 3.0, None), "outside"),
        ((float("nan"), 3.0, None), "finite"),
        ((None, None, None), "nothing to judge by"),
    ],
)
def test_an_impossible_critique_is_refused(scores: Scores, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        critique("t2i", *scores)


@pytest.mark.parametrize("part", ["scores", "rationales"])
def test_a_critique_covers_the_dimensions_of_its_task(part: str) -> None:
    values = critique("t2i", 3.0, 3.0, None).model_dump()
    values[part]["image_faithfulness"] = None
    with pytest.raises(ValidationError, match=f"{part} of a t2i critique"):
        Critique.model_validate(values)

    del values[part]["image_faithfulness"], values[part]["text_rendering"]
    with pytest.raises(ValidationError, match=f"{part} of a t2i critique"):
        Critique.model_validate(values)


def test_a_critique_survives_json() -> None:
    original = critique("edit", 3.5, 3.8, 2.0, None)
    assert Critique.model_validate_json(original.model_dump_json()) == original


def test_mean_and_spread_of_samples() -> None:
    judged = assessment((3.0, 2.0, None), (4.0, 2.0, None))

    text: Dimension = "text_faithfulness"
    assert judged.task == "t2i"
    assert judged.mean == {text: 3.5, "physical_quality": 2.0, "text_rendering": None}
    assert judged.spread[text] == pytest.approx(0.5**0.5)
    assert judged.spread["physical_quality"] == 0.0
    assert judged.spread["text_rendering"] is None
    assert judged.reward == pytest.approx((2.75 - 1) / 3)


def test_one_sample_has_no_spread() -> None:
    assert set(assessment((3.0, 2.0, 4.0)).spread.values()) == {None}


@pytest.mark.parametrize(
    ("scored", "samples", "mean"),
    [(0, 2, None), (1, 2, 3.0), (1, 3, None), (2, 3, 3.0), (2, 4, 3.0), (3, 3, 3.0)],
)
def test_a_dimension_applies_when_half_of_the_samples_say_so(
    scored: int, samples: int, mean: float | None
) -> None:
    rendering = [3.0] * scored + [None] * (samples - scored)
    judged = assessment(*((2.0, 2.0, score) for score in rendering))
    assert judged.mean["text_rendering"] == mean
    assert judged.reward == pytest.approx((2.0 if mean is None else 7 / 3) / 3 - 1 / 3)


def test_failures_count_in_no_mean() -> None:
    judged = assessment((3.0, 3.0, None), failures=("I'm sorry",))
    assert judged.reward == pytest.approx(2 / 3)
    assert judged.failures == ("I'm sorry",)


def test_an_impossible_assessment_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least one critique"):
        assessment()
    with pytest.raises(ValidationError, match="no applicable dimension"):
        assessment((3.0, None, None), (None, 3.0, None), (None, None, 3.0))
    mixed = (critique("t2i", 3.0, 3.0, None), critique("edit", 3.0, 3.0, 3.0, None))
    with pytest.raises(ValidationError, match="different tasks"):
        Assessment(critic=CRITIC, critiques=mixed)


@pytest.mark.parametrize(
    ("a", "b", "winner"),
    [
        ((3.0, 3.0, None), (2.0, 3.0, None), "a"),
        ((3.0, 2.0, None), (2.0, 3.5, None), "b"),
        ((3.1, 2.9, 3.0), (2.9, 3.1, 3.0), "tie"),
        ((3.0, 3.0, 4.0), (3.0, 3.0, None), "tie"),
    ],
)
def test_the_higher_sum_over_common_dimensions_wins(a: Scores, b: Scores, winner: Winner) -> None:
    assert pairwise(a, b).winner == winner


GOOD, BAD = (4.0, 4.0, None), (2.0, 2.0, None)


@pytest.mark.parametrize(
    ("forward", "reverse", "winner"),
    [
        (pairwise(GOOD, BAD), pairwise(BAD, GOOD), "a"),
        (pairwise(BAD, GOOD), pairwise(GOOD, BAD), "b"),
        (pairwise(GOOD, BAD), pairwise(GOOD, BAD), "tie"),
        (pairwise(BAD, GOOD), pairwise(BAD, GOOD), "tie"),
        (pairwise(GOOD, BAD), pairwise(BAD, BAD), "tie"),
        (pairwise(BAD, BAD), pairwise(BAD, BAD), "tie"),
    ],
)
def test_a_comparison_is_won_in_both_orders(
    forward: PairwiseCritique, reverse: PairwiseCritique, winner: Winner
) -> None:
    comparison = Comparison(critic=CRITIC, forward=forward, reverse=reverse, usage=Usage(calls=2))
    assert comparison.winner == winner
