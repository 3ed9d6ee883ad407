from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from rr_refine.digest import image_digest
from rr_refine.errors import ConfigError, CriticUnavailable
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison, Winner
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.fake import FakeAnswer, FakeCritic, FakeCriticOptions, Step
from rr_refine.statistics import estimate
from rr_refine.terms import Identity
from tests.benchmarks.critic_accuracy import (
    CaseResult,
    Evaluation,
    LabelledPair,
    difference,
    evaluate,
)


def picture(number: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (number, 7, 7))


def answer(score: float) -> FakeAnswer:
    return FakeAnswer(text_faithfulness=score, physical_quality=score)


def pairs(*better: Winner) -> list[LabelledPair]:
    """Pair i has the pictures 2i and 2i + 1."""
    return [
        LabelledPair(str(i), "a cat", picture(2 * i), picture(2 * i + 1), label)
        for i, label in enumerate(better)
    ]


def critic_of(*steps: Step, comparisons: tuple[Winner, ...] | None = None) -> FakeCritic:
    """A critic that gives picture i step i."""
    by_image = {image_digest(picture(i)): step for i, step in enumerate(steps)}
    return FakeCritic(FakeCriticOptions(by_image=by_image, comparisons=comparisons))


async def test_pointwise_counts_ties_and_failures_as_wrong() -> None:
    critic = critic_of(
        *(answer(3), answer(2)),  # right
        *(answer(3), answer(2)),  # wrong
        *(answer(3), answer(3)),  # a tie of the critic's
        *(answer(3), "garbage"),  # no answer
        *(answer(3), answer(2)),  # a tie by the label, which counts nowhere
    )
    result = await evaluate(critic, pairs("a", "b", "a", "a", "tie"), modes=("pointwise",))
    summary = result.summary("pointwise")
    assert (summary.pairs, summary.ties) == (4, 1)
    assert summary.accuracy.value == 0.25
    assert summary.with_half_credit == 0.375
    assert summary.readable == 0.9
    assert summary.failures == {"CriticUnreadable": 1}
    assert summary.missed_f1 is None
    assert Evaluation.model_validate_json(result.model_dump_json()) == result
    with pytest.raises(ConfigError, match="was not asked pairwise, but pointwise"):
        result.summary("pairwise")


async def test_pictures_are_compared_over_what_was_scored_for_both() -> None:
    worded = FakeAnswer(text_faithfulness=2, physical_quality=3, text_rendering=4)
    plain = FakeAnswer(text_faithfulness=2.2, physical_quality=3)
    result = await evaluate(critic_of(worded, plain), pairs("b"), modes=("pointwise",))
    (case,) = result.cases
    assert case.a is not None
    assert case.b is not None
    assert case.a.reward > case.b.reward
    assert case.gap == pytest.approx(-0.1)
    assert result.summary("pointwise").accuracy.value == 1


async def test_pairwise_asks_in_both_orders() -> None:
    critic = FirstIsBest(inner=critic_of(comparisons=("a", "b", "tie")))
    result = await evaluate(critic, pairs("a", "a", "b"), modes=("pairwise",), concurrency=1)
    summary = result.summary("pairwise")
    # Right in both orders, wrong in both; then the first place each time, so right in one.
    assert [case.credit("pairwise") for case in result.cases] == [1, 0, 0.5]
    assert summary.accuracy.value == 0.5
    assert summary.consistent == pytest.approx(2 / 3)
    assert summary.readable == 1


async def test_a_failed_comparison_is_wrong_in_both_orders() -> None:
    critic = FakeCritic(FakeCriticOptions(comparisons=("a", "refused", "unavailable")))
    result = await evaluate(critic, pairs("a", "a", "a"), modes=("pairwise",), concurrency=1)
    summary = result.summary("pairwise")
    assert summary.accuracy.value == pytest.approx(1 / 3)
    assert summary.readable == pytest.approx(1 / 3)
    assert summary.failures == {"CriticRefused": 1, "CriticUnavailable": 1}


async def test_named_faults(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "a.png")
    known = LabelledPair(
        "0",
        "a cat",
        tmp_path / "a.png",
        picture(1),
        "b",
        missed_a=frozenset({"cat", "mat"}),
        missed_b=frozenset(),
    )
    unknown = LabelledPair("1", "a cat", picture(2), picture(3), "b")
    failed = LabelledPair(
        "2", "a cat", picture(4), picture(5), "b", missed_a=frozenset({"hat"}), missed_b=None
    )
    critic = critic_of(*[answer(2), answer(3)] * 2, "garbage", answer(3))

    def read_missed(assessment: Assessment) -> list[str]:
        return ["cat", "dog"] if assessment.mean["text_faithfulness"] == 2 else ["bat"]

    result = await evaluate(
        critic, [known, unknown, failed], modes=("pointwise",), read_missed=read_missed
    )
    assert [case.missed for case in result.cases] == [(1, 2, 1), (0, 0, 0), (0, 0, 1)]
    summary = result.summary("pointwise")
    assert summary.missed_precision == pytest.approx(1 / 3)
    assert summary.missed_recall == pytest.approx(1 / 3)
    assert summary.missed_f1 == pytest.approx(1 / 3)


async def test_mistakes() -> None:
    pair = pairs("a")
    with pytest.raises(ConfigError, match="same id"):
        await evaluate(critic_of(), pair * 2)
    with pytest.raises(ConfigError, match="Alone does not compare"):
        await evaluate(Alone(), pair)
    tied = await evaluate(critic_of(), pairs("tie"))
    with pytest.raises(ConfigError, match="at least one pair that is not a tie"):
        tied.summary("pointwise")


def judged(*right: bool, first: int = 0) -> Evaluation:
    """An evaluation whose pairs were judged rightly or, by failing, wrongly."""
    cases = []
    for i, good in enumerate(right, first):
        assessments = {
            side: CASES[score] for side, score in (("a", 3 if good else 2), ("b", 2 if good else 3))
        }
        cases.append(CaseResult(id=str(i), better="a").model_copy(update=assessments))
    return Evaluation(modes=("pointwise",), cases=tuple(cases))


CASES: dict[int, Assessment] = {}


@pytest.fixture(autouse=True)
async def assessments() -> None:
    from rr_refine.reward.critic import CritiqueRequest

    for score in (2, 3):
        critic = critic_of(answer(score))
        CASES[score] = await critic.critique(CritiqueRequest("a cat", picture(0)))


def test_intervals_cover_what_they_should() -> None:
    half = judged(*[True, False] * 50).summary("pointwise").accuracy
    assert half.value == 0.5
    assert half.low is not None and half.high is not None
    assert half.low == pytest.approx(0.40, abs=0.03)  # 1.96 standard errors of 0.05
    assert half.high == pytest.approx(0.60, abs=0.03)
    assert half == judged(*[True, False] * 50).summary("pointwise").accuracy
    sure = judged(*[True] * 20).summary("pointwise").accuracy
    assert sure == estimate([1.0] * 20)
    assert (sure.value, sure.high) == (1, 1)


def test_a_difference_is_paired() -> None:
    hard = [True] * 60 + [False] * 40
    better = judged(*[True] * 70, *[False] * 30)
    gain = difference(better, judged(*hard), "pointwise")
    assert gain.value == pytest.approx(0.1)
    assert gain.low is not None and gain.high is not None
    assert 0.03 < gain.low < gain.value < gain.high < 0.18  # unpaired it would reach below 0
    loss = difference(judged(*hard), better, "pointwise")
    assert loss.value == pytest.approx(-0.1)
    with pytest.raises(ConfigError, match="on the same pairs"):
        difference(better, judged(*hard, first=1), "pointwise")


@dataclass
class FirstIsBest:
    """Where its inner critic sees a tie, it takes the first picture it was shown."""

    inner: FakeCritic

    @property
    def identity(self) -> Identity:
        return self.inner.identity

    async def critique(self, request: CritiqueRequest) -> Assessment:
        return await self.inner.critique(request)

    async def compare(self, request: ComparisonRequest) -> Comparison:
        comparison = await self.inner.compare(request)
        if comparison.winner != "tie":
            return comparison
        higher = dict.fromkeys(comparison.forward.scores_a, 4.0)
        update = {"scores_a": higher}
        return comparison.model_copy(
            update={
                "forward": comparison.forward.model_copy(update=update),
                "reverse": comparison.reverse.model_copy(update=update),
            }
        )


class Alone:
    """Judges one picture at a time."""

    @property
    def identity(self) -> Identity:
        return FakeCritic().identity

    async def critique(self, request: CritiqueRequest) -> Assessment:
        raise CriticUnavailable("nobody is there")
