from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import rr_refine
from rr_refine.agent.components import as_critic
from rr_refine.component import connected, notice_of
from rr_refine.errors import ConfigError, CriticError, CriticTimeout
from rr_refine.reward.contract import CriticContract
from rr_refine.reward.critic import Critic, CritiqueRequest
from rr_refine.reward.fake import FakeCritic
from rr_refine.reward.scalar import (
    CriticReward,
    RewardCritic,
    Scored,
    is_reward,
    reward_of,
    score_picture,
)
from rr_refine.terms import Identity, Usage

RED = Image.new("RGB", (8, 8), (200, 10, 10))
HERE = __name__


class Redness:
    """How red a picture is."""

    identity = Identity(kind="redness", name="redness")

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def connect(self) -> None:
        self.calls.append("connect")

    async def aclose(self) -> None:
        self.calls.append("aclose")

    async def score(self, request: CritiqueRequest) -> float:
        red, _, _ = request.image.resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
        return float(red) / 255


class Says:
    identity = Identity(kind="says", name="says")

    def __init__(self, said: object) -> None:
        self._said = said

    async def score(self, request: CritiqueRequest) -> float:
        if isinstance(self._said, Exception):
            raise self._said
        return self._said  # type: ignore[return-value]


class TestRewardCritic(CriticContract):
    def make_critic(self) -> Critic:
        return RewardCritic(Redness())


async def test_the_number_is_the_reward_of_the_assessment() -> None:
    assessment = await RewardCritic(Redness()).critique(CritiqueRequest("a red wall", RED))
    assert assessment.reward == pytest.approx(200 / 255)
    assert assessment.mean["physical_quality"] is None
    assert assessment.mean["text_rendering"] is None
    (critique,) = assessment.critiques
    assert str(200 / 255) in critique.raw
    assert set(critique.rationales.values()) == {None}
    assert critique.refined_request is None
    assert assessment.critic == Redness.identity


async def test_what_is_known_of_the_number_is_recorded() -> None:
    usage = Usage(calls=2, notices=("it read half of the request",))
    said = Scored(0.5, "half of it", {"colour": 0.25, "form": 0.75}, usage)
    assessment = await RewardCritic(Says(said)).critique(CritiqueRequest("a wall", RED))
    (critique,) = assessment.critiques
    assert (assessment.reward, critique.raw) == (0.5, "half of it")
    assert critique.parts == {"colour": 0.25, "form": 0.75}
    assert assessment.usage == usage
    plain = await RewardCritic(Says(0.5)).critique(CritiqueRequest("a wall", RED))
    assert plain.critiques[0].parts == {} and plain.usage == Usage(calls=1)


@pytest.mark.parametrize(
    "said",
    [1.01, -0.01, float("nan"), float("inf"), None, "0.5", True, Scored(2.0), Scored(float("nan"))],
)
async def test_what_is_no_reward_is_an_error(said: object) -> None:
    with pytest.raises(CriticError, match="no number from 0 to 1"):
        await score_picture(Says(said), CritiqueRequest("a wall", RED))


async def test_a_failure_is_an_error_of_its_type() -> None:
    request = CritiqueRequest("a wall", RED)
    with pytest.raises(CriticError, match=r"Says raised ValueError: boom"):
        await score_picture(Says(ValueError("boom")), request)
    with pytest.raises(CriticTimeout):
        await score_picture(Says(CriticTimeout("late")), request)


async def test_a_critic_is_a_reward_by_its_mean() -> None:
    critic, request = FakeCritic(), CritiqueRequest("a wall", RED)
    reward = reward_of(critic)
    assert isinstance(reward, CriticReward)
    assert reward.identity == critic.identity
    scored, assessment = await reward.score(request), await critic.critique(request)
    assert scored.value == assessment.reward
    assert scored.text == assessment.critiques[0].raw and scored.usage == assessment.usage
    assert reward_of(redness := Redness()) is redness
    assert is_reward(redness)
    assert not is_reward(critic)


async def test_it_is_connected_and_closed_with_what_it_stands_for() -> None:
    redness = Redness()
    async with connected([RewardCritic(redness)]):
        assert redness.calls == ["connect"]
    assert redness.calls == ["connect", "aclose"]
    async with connected([RewardCritic(Says(0.5)), reward_of(FakeCritic())]):
        pass  # neither has anything to connect


def test_it_comes_in_where_critics_do() -> None:
    for given in (f"{HERE}:Redness", Redness()):
        critic = as_critic(given)
        assert isinstance(critic, RewardCritic)
        assert "without reasons" in (notice_of(critic) or "")

    class Nameless:
        async def score(self, request: CritiqueRequest) -> float:
            return 0.5

    with pytest.raises(ConfigError, match="'identity'"):
        as_critic(Nameless())


@pytest.mark.parametrize("policy", ["best-of-n", "refine"])
async def test_the_loop_keeps_the_picture_with_the_highest_reward(
    tmp_path: Path, policy: str
) -> None:
    run = await rr_refine.arefine(
        "a red wall", generator="fake", critic=Redness(), policy=policy, out=tmp_path
    )
    judged = {c.id: c.mean for c in run.candidates if c.mean is not None}
    assert run.best is not None
    assert len(judged) > 1
    assert run.best.mean == pytest.approx(max(judged.values()), abs=0.2)
    if policy == "best-of-n":
        assert judged[run.best.id] == max(judged.values())
    else:  # there is no reason and no proposal: the next rewriter needs neither
        assert {c.origin for c in run.candidates[1:]} == {"rules"}
