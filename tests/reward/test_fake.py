from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.digest import image_digest
from rr_refine.errors import (
    ConfigError,
    CriticError,
    CriticRefused,
    CriticTimeout,
    CriticTruncated,
    CriticUnavailable,
    CriticUnreadable,
)
from rr_refine.plugins import create as create_plugin
from rr_refine.reward.comparison import Winner
from rr_refine.reward.contract import CriticContract
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest, PairwiseCritic
from rr_refine.reward.fake import FakeAnswer, FakeCritic, FakeCriticOptions, create

RED, GREEN, BLUE = (Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue"))
CAT = CritiqueRequest("a cat", RED)
HAT = CritiqueRequest("add a hat", RED, GREEN)
GOOD: dict[str, JsonValue] = {"text_faithfulness": 4.0, "physical_quality": 3.5}


class TestContract(CriticContract):
    def make_critic(self) -> FakeCritic:
        return FakeCritic()


class TestContractWithSamples(CriticContract):
    def make_critic(self) -> FakeCritic:
        return FakeCritic(FakeCriticOptions(samples=3, seed=7))


def test_the_plugin_door_makes_it() -> None:
    critic = create_plugin("critics", "fake", {"seed": 3})
    assert isinstance(critic, FakeCritic)
    assert isinstance(critic, PairwiseCritic)
    with pytest.raises(ConfigError, match=r"unknown option 'critic.sed' \(did you mean 'seed'\?\)"):
        create(sed=3)


async def test_scores_depend_on_prompt_picture_and_seed_alone() -> None:
    first = await FakeCritic().critique(CAT)
    again = await FakeCritic().critique(CritiqueRequest("a cat", RED.copy()))
    assert first == again
    others = [
        await FakeCritic().critique(CritiqueRequest("a dog", RED)),
        await FakeCritic().critique(CritiqueRequest("a cat", BLUE)),
        await create(seed=1).critique(CAT),
    ]
    assert all(other.mean != first.mean for other in others)


async def test_the_made_up_scores_spread_over_the_scale() -> None:
    critic = FakeCritic()
    rewards = [
        (await critic.critique(CritiqueRequest("a cat", Image.new("RGB", (1, n), "red")))).reward
        for n in range(1, 60)
    ]
    assert min(rewards) < 0.4
    assert max(rewards) > 0.8


@pytest.mark.parametrize("request_", [CAT, HAT], ids=["t2i", "edit"])
async def test_the_refined_request_keeps_the_request_whole(request_: CritiqueRequest) -> None:
    (critique,) = (await FakeCritic().critique(request_)).critiques
    assert critique.refined_request is not None
    assert critique.refined_request.startswith(request_.prompt + ", ")


@pytest.mark.parametrize(
    ("prompt", "applies"),
    [("a cat", False), ("don't", False), ('a sign "OPEN"', True), ("ein Schild „AUF“", True)],
)
async def test_text_rendering_applies_where_something_is_quoted(prompt: str, applies: bool) -> None:
    mean = (await FakeCritic().critique(CritiqueRequest(prompt, RED))).mean
    assert (mean["text_rendering"] is not None) is applies


async def test_samples_differ_a_little() -> None:
    assessment = await create(samples=5).critique(HAT)
    assert len(assessment.critiques) == assessment.usage.calls == 5
    assert any(spread for spread in assessment.spread.values() if spread is not None)
    for critique in assessment.critiques:
        for dimension, score in critique.scores.items():
            mean = assessment.mean[dimension]
            assert (score is None) == (mean is None)
            assert score is None or mean is None or abs(score - mean) <= 0.4


async def test_a_script_is_followed_in_order_and_then_over() -> None:
    steps: list[JsonValue] = [GOOD, {**GOOD, "refined_request": "a fat cat"}, "timeout"]
    critic = create(script=steps)
    first = await critic.critique(CAT)
    assert first.mean == {
        "text_faithfulness": 4.0,
        "physical_quality": 3.5,
        "text_rendering": None,
    }
    assert (await critic.critique(CAT)).critiques[0].refined_request == "a fat cat"
    with pytest.raises(CriticTimeout):
        await critic.critique(CAT)
    with pytest.raises(ConfigError, match=r"once more than its critic\.script has steps"):
        await critic.critique(CAT)


async def test_a_script_can_propose_nothing_and_be_nonsense() -> None:
    critic = create(script=[{**GOOD, "refined_request": None}, {**GOOD, "physical_quality": 7}])
    assert (await critic.critique(CAT)).critiques[0].refined_request is None
    with pytest.raises(CriticUnreadable, match="outside"):
        await critic.critique(CAT)


async def test_edits_need_a_score_or_n_a_for_the_source() -> None:
    critic = create(script=[{**GOOD, "image_faithfulness": 1.5}, GOOD])
    assert (await critic.critique(HAT)).mean["image_faithfulness"] == 1.5
    assert (await critic.critique(HAT)).mean["image_faithfulness"] is None


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("unavailable", CriticUnavailable),
        ("timeout", CriticTimeout),
        ("refused", CriticRefused),
        ("garbage", CriticUnreadable),
        ("truncated", CriticTruncated),
        ("Score: five stars", CriticUnreadable),
    ],
)
async def test_faults(step: str, error: type[Exception], tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    critic = create(script=[step], log=str(log))
    with pytest.raises(error):
        await critic.critique(CAT)
    assert json.loads(log.read_text())["outcome"] == error.__name__


async def test_a_hanging_call_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    critic = create(script=["hang", GOOD], log=str(tmp_path / "log"))
    call = asyncio.create_task(critic.critique(CAT))
    done, _ = await asyncio.wait([call], timeout=0.05)
    assert not done
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not (tmp_path / "log").exists()
    assert (await critic.critique(CAT)).mean["text_faithfulness"] == 4.0


async def test_steps_by_image_hold_in_any_order_and_use_up_no_script() -> None:
    def make() -> FakeCritic:
        by_image: dict[str, JsonValue] = {image_digest(BLUE)[:8]: "unavailable"}
        return create(script=[GOOD], by_image=by_image)

    critic = make()
    for _ in range(2):
        with pytest.raises(CriticUnavailable):
            await critic.critique(CritiqueRequest("a cat", BLUE))
    assert (await critic.critique(CAT)).mean["text_faithfulness"] == 4.0


async def test_the_log_has_a_line_per_call(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    critic = create(log=str(log))
    await asyncio.gather(critic.critique(CAT), critic.critique(HAT))
    await critic.compare(ComparisonRequest("a cat", RED, BLUE))
    first, second, third = map(json.loads, log.read_text().splitlines())
    assert first["prompt"] == third["prompt"] != second["prompt"]
    assert first["images"] == second["images"] == [image_digest(RED)]
    assert third["call"] == "compare"
    assert third["images"] == [image_digest(RED), image_digest(BLUE)]
    assert {line["outcome"] for line in (first, second, third)} == {"ok"}


async def test_comparisons_agree_with_the_critiques() -> None:
    critic = FakeCritic()
    images = [Image.new("RGB", (1, n), "red") for n in range(1, 12)]
    rewards = [(await critic.critique(CritiqueRequest("a cat", i))).reward for i in images]
    for reward, image in zip(rewards, images, strict=True):
        comparison = await critic.compare(ComparisonRequest("a cat", image, images[0]))
        expected = "tie" if reward == rewards[0] else "a" if reward > rewards[0] else "b"
        assert comparison.winner == expected


async def test_comparisons_agree_with_scripted_critiques() -> None:
    poor: JsonValue = {"text_faithfulness": 1.5, "physical_quality": 1.5}
    critic = create(script=[poor], by_image={image_digest(BLUE): GOOD})
    await critic.critique(CAT)
    assert (await critic.compare(ComparisonRequest("a cat", RED, BLUE))).winner == "b"


@pytest.mark.parametrize("winner", ["a", "b", "tie"])
@pytest.mark.parametrize("source", [None, GREEN], ids=["t2i", "edit"])
async def test_scripted_comparisons(winner: Winner, source: Image.Image | None) -> None:
    critic = create(comparisons=[winner])
    request = ComparisonRequest("a cat", RED, BLUE, source)
    comparison = await critic.compare(request)
    assert comparison.winner == winner
    assert comparison.usage.calls == 2
    with pytest.raises(ConfigError, match=r"once more than its critic\.comparisons has steps"):
        await critic.compare(request)


async def test_scripted_comparisons_can_fail(tmp_path: Path) -> None:
    faults: list[JsonValue] = ["timeout", "garbage", "refused", "truncated", "unavailable"]
    critic = create(comparisons=faults, log=str(tmp_path / "log"))
    outcomes = ["CriticTimeout", "CriticUnreadable", "CriticRefused", "CriticTruncated"]
    for name in [*outcomes, "CriticUnavailable"]:
        with pytest.raises(CriticError) as caught:
            await critic.compare(ComparisonRequest("a cat", RED, BLUE))
        assert type(caught.value).__name__ == name
    lines = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(line)["outcome"] for line in lines][:4] == outcomes


def test_the_identity_leaves_out_what_changes_no_answer(tmp_path: Path) -> None:
    plain = FakeCritic().identity
    assert create(seconds=1, log=str(tmp_path / "log")).identity == plain
    assert create(seed=1).identity != plain
    scripted = FakeCritic(
        FakeCriticOptions(script=(FakeAnswer(text_faithfulness=4, physical_quality=4), "garbage"))
    ).identity
    assert scripted != plain
    assert json.loads(scripted.model_dump_json())["details"]["script"][1] == "garbage"
