"""Several rewards as one."""

from __future__ import annotations

import asyncio

import pytest
from PIL import Image
from pydantic import JsonValue

from rr_refine.agent.components import as_critic
from rr_refine.component import connected, told_by, unknown_to
from rr_refine.errors import ConfigError, CriticError, CriticTimeout
from rr_refine.plugins import create
from rr_refine.request import Request
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.contract import CriticContract
from rr_refine.reward.critic import Critic, CritiqueRequest
from rr_refine.reward.fake import FakeCritic
from rr_refine.reward.scalar import RewardCritic
from rr_refine.reward.weighted import WeightedReward
from rr_refine.terms import Identity
from rr_refine.trust import named_code

HERE = __name__
REQUEST = CritiqueRequest("a wall", Image.new("RGB", (8, 8), (51, 102, 153)))


class Channel:
    """How much there is of one colour."""

    def __init__(self, channel: int = 0, late: bool = False, api_key: str = "", **_: str) -> None:
        self._channel, self._late, self.key = channel, late, api_key
        self.calls: list[str] = []

    @property
    def identity(self) -> Identity:
        return Identity(kind="channel", name=str(self._channel))

    @property
    def notices(self) -> tuple[str, ...]:
        return ("it sees one colour",)

    async def connect(self) -> None:
        self.calls.append("connect")

    async def aclose(self) -> None:
        self.calls.append("aclose")

    async def score(self, request: CritiqueRequest) -> float:
        if self._late:
            raise CriticTimeout("late")
        return request.image.convert("RGB").resize((1, 1)).getpixel((0, 0))[self._channel] / 255  # type: ignore[index]


def part(channel: int, **more: JsonValue) -> dict[str, JsonValue]:
    return {"use": f"{HERE}:Channel", "name": "rgb"[channel], "channel": channel, **more}


def weighted(*parts: dict[str, JsonValue], **more: JsonValue) -> WeightedReward:
    made = create("critics", "weighted", {"rewards": list(parts), **more})
    assert isinstance(made, WeightedReward)
    return made


class TestWeighted(CriticContract):
    def make_critic(self) -> Critic:
        return RewardCritic(weighted(part(0, weight=3), part(2), {"use": "fake"}))


async def test_it_is_the_weighted_mean_and_the_parts_stay_apart() -> None:
    reward = weighted(part(0, weight=3), part(1, weight=0.5), part(2, weight=0.5))
    assessment = await RewardCritic(reward).critique(REQUEST)
    assert assessment.reward == pytest.approx((3 * 0.2 + 0.5 * 0.4 + 0.5 * 0.6) / 4)
    (critique,) = assessment.critiques
    assert critique.parts == pytest.approx({"r": 0.2, "g": 0.4, "b": 0.6})
    assert critique.raw.startswith("reward: 0.275\n\nr: 0.2 x 0.75")
    assert assessment.usage.calls == 3


async def test_a_critic_is_a_part_by_its_mean_and_its_words_are_kept() -> None:
    reward = weighted(part(0), {"use": "fake", "seed": 3})
    assessment = await RewardCritic(reward).critique(REQUEST)
    (critique,) = assessment.critiques
    alone = await create("critics", "fake", {"seed": 3}).critique(REQUEST)  # type: ignore[attr-defined]
    assert critique.parts["fake"] == alone.reward
    assert alone.critiques[0].raw.strip() in critique.raw
    assert assessment.usage == alone.usage + type(alone.usage)(calls=1)
    assert isinstance(create("critics", "fake", {}), FakeCritic)


@pytest.mark.parametrize("guided", [True, False])
async def test_a_critic_that_was_led_to_its_verdict_makes_the_whole_so(
    monkeypatch: pytest.MonkeyPatch, guided: bool
) -> None:
    plain = await FakeCritic().critique(REQUEST)
    (critique,) = plain.critiques
    led = plain.model_copy(update={"critiques": (critique.model_copy(update={"guided": guided}),)})

    async def critique_so(*_: object) -> Assessment:
        return led

    monkeypatch.setattr(FakeCritic, "critique", critique_so)
    assessment = await RewardCritic(weighted(part(0), {"use": "fake"})).critique(REQUEST)
    assert assessment.critiques[0].guided is guided


async def test_a_part_that_fails_is_not_left_out() -> None:
    with pytest.raises(CriticTimeout, match="late"):
        await weighted(part(0), part(1, late=True)).score(REQUEST)
    edit = CritiqueRequest("bluer", REQUEST.image, REQUEST.image)
    with pytest.raises(CriticError, match="text-to-image only"):
        await weighted(part(0), {"use": "clipscore"}).score(edit)


async def test_parts_are_connected_closed_and_heard() -> None:
    reward = weighted(part(0), part(1))
    parts = [made for _, made in reward._parts.values()]
    async with connected([RewardCritic(reward)]):
        assert told_by(RewardCritic(reward)) == (
            "r: it sees one colour",
            "g: it sees one colour",
        )
    assert [made.calls for made in parts] == [["connect", "aclose"]] * 2  # type: ignore[union-attr]


async def test_two_equal_mixtures_are_one_and_another_weight_is_another() -> None:
    one, other = weighted(part(0), part(1)), weighted(part(0, weight=2), part(1, weight=2))
    assert one.identity == other.identity
    assert one.identity != weighted(part(0), part(1, weight=2)).identity
    assert one.identity.name == "r + g"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "at least 1 item"),
        ([part(0, weight=0)], "greater than 0"),
        ([part(0, weight=-1)], "greater than 0"),
        ([{"use": "clipscore"}, {"use": "clipscore"}], "2 parts called 'clipscore'"),
        ([{"use": "nobody"}], "unknown critic 'nobody'"),
        ([{"use": "fake", "sede": 1}], "did you mean 'seed'"),
        ([{"weight": 1}], "Field required"),
        ([{"use": f"{HERE}:Identity"}], "is no critic"),
    ],
)
def test_a_wrong_mixture_is_one_line(parts: list[dict[str, JsonValue]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        weighted(*parts)


def test_the_key_goes_to_parts_with_an_address() -> None:
    reward = weighted(part(0), part(1, base_url="http://127.0.0.1:1/v1"), api_key="sk-secret")
    keys = [made.key for _, made in reward._parts.values()]  # type: ignore[union-attr]
    assert keys == ["", "sk-secret"]
    assert "sk-secret" not in reward.identity.model_dump_json()


def test_code_in_a_mixture_is_seen() -> None:
    table: dict[str, JsonValue] = {"critic": {"use": "weighted", "rewards": [part(0)]}}
    assert list(named_code(table)) == [("critic.rewards[0].use", f"{HERE}:Channel")]
    asyncio.run(weighted(part(0)).aclose())


def test_what_no_part_knows_is_unknown() -> None:
    def unknown(*parts: str) -> tuple[str, ...]:
        rewards: list[JsonValue] = [
            {"use": part, "name": f"part {n}"} for n, part in enumerate(parts)
        ]
        critic = as_critic(create("critics", "weighted", {"rewards": rewards}))
        return unknown_to(critic, Request(prompt="no cat on a red circle"))

    assert unknown("sketch") == unknown("sketch", "sketch") == ("no", "cat")
    assert unknown("sketch", "fake") == ()  # the other cannot tell, and judges it
