from __future__ import annotations

import asyncio

import pytest
from PIL import Image

from rr_refine.component import connected
from rr_refine.errors import (
    ConfigError,
    CriticError,
    CriticTimeout,
    CriticUnavailable,
    CriticUnreadable,
)
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison
from rr_refine.reward.contract import CriticContract
from rr_refine.reward.critic import ComparisonRequest, Critic, CritiqueRequest, can_compare
from rr_refine.reward.fake import FakeCritic, FakeCriticOptions
from rr_refine.reward.pool import CriticPool, PairwiseCriticPool, pool
from rr_refine.terms import Identity

REQUEST = CritiqueRequest("a hat", Image.new("RGB", (8, 8), "red"))


class TestCriticPool(CriticContract):
    def make_critic(self) -> Critic:
        return pool([FakeCritic(), FakeCritic(), FakeCritic()])


class Pointwise:
    """An endpoint that answers when it is let, or not at all.

    Args:
        details: of its identity.
    """

    def __init__(self, **details: str) -> None:
        self._inner = FakeCritic()
        self._details = details
        self._identity: Identity | None = None
        self.fault: CriticError | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.calls = 0
        self.closed = 0

    @property
    def identity(self) -> Identity:
        if self._identity is None:
            raise ConfigError("connect first")
        return self._identity

    async def connect(self) -> None:
        details = self._inner.identity.details | self._details
        self._identity = Identity(kind="fake", name="fake", details=details)

    async def aclose(self) -> None:
        self.closed += 1

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self.calls += 1
        await self.open.wait()
        if self.fault:
            raise self.fault
        return await self._inner.critique(request)


class Comparing(Pointwise):
    async def compare(self, request: ComparisonRequest) -> Comparison:
        self.calls += 1
        if self.fault:
            raise self.fault
        return await self._inner.compare(request)


def calls(critics: list[Pointwise]) -> list[int]:
    return [critic.calls for critic in critics]


async def test_the_least_busy_is_next() -> None:
    critics = [Pointwise(), Pointwise(), Pointwise()]
    for critic in critics:
        critic.open.clear()
    together = CriticPool(critics)
    asked = [asyncio.create_task(together.critique(REQUEST)) for _ in range(5)]
    await asyncio.sleep(0.01)
    assert sorted(calls(critics)) == [1, 2, 2]
    critics[1].open.set()  # its calls end: now it is the least busy
    await asyncio.sleep(0.01)
    before = critics[1].calls
    await together.critique(REQUEST)
    assert critics[1].calls == before + 1
    for critic in critics:
        critic.open.set()
    await asyncio.gather(*asked)


@pytest.mark.parametrize(
    "fault", [CriticUnavailable("no route"), CriticTimeout("too slow")], ids=type
)
async def test_one_that_fails_is_set_aside(
    fault: CriticError, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("rr_refine.reward.pool.monotonic", lambda: now)
    critics = [Pointwise(), Pointwise()]
    critics[0].fault = fault
    together = CriticPool(critics)
    for _ in range(3):
        await together.critique(REQUEST)
    assert calls(critics) == [1, 3]  # the first request went on to the second critic
    critics[0].fault = None
    now += 29
    await together.critique(REQUEST)
    assert calls(critics) == [1, 4]
    now += 2
    await together.critique(REQUEST)
    assert calls(critics) == [2, 4]


async def test_one_that_rests_is_asked_before_giving_up() -> None:
    critics = [Pointwise(), Pointwise()]
    critics[0].fault = CriticUnavailable("no route")
    together = CriticPool(critics, rest=60)
    await together.critique(REQUEST)
    critics[0].fault, critics[1].fault = None, CriticUnavailable("gone")
    await together.critique(REQUEST)
    assert calls(critics) == [2, 2]
    critics[1].fault = None  # who answered has rested enough; the other rests now
    await together.critique(REQUEST)
    assert calls(critics) == [3, 2]


async def test_when_all_fail() -> None:
    critics = [Pointwise(), Pointwise()]
    critics[0].fault, critics[1].fault = CriticUnavailable("no route"), CriticTimeout("too slow")
    with pytest.raises(CriticTimeout, match=r"^all 2 critics failed; the last one: too slow$"):
        await CriticPool(critics).critique(REQUEST)
    assert calls(critics) == [1, 1]
    with pytest.raises(CriticUnavailable, match=r"^no route$"):
        await CriticPool(critics[:1]).critique(REQUEST)


async def test_other_errors_are_answers() -> None:
    critics = [Pointwise(), Pointwise()]
    critics[0].fault = CriticUnreadable("no scores", "lovely")
    with pytest.raises(CriticUnreadable, match=r"^no scores$"):
        await CriticPool(critics).critique(REQUEST)
    assert calls(critics) == [1, 0]


async def test_comparing() -> None:
    request = ComparisonRequest("a hat", REQUEST.image, Image.new("RGB", (8, 8), "blue"))
    critics = [Comparing(), Comparing()]
    critics[0].fault = CriticUnavailable("no route")
    together = pool(critics)
    assert isinstance(together, PairwiseCriticPool)
    found = await together.compare(request)
    assert found == await FakeCritic().compare(request)
    assert calls(critics) == [1, 1]  # type: ignore[arg-type]
    assert not can_compare(pool([Comparing(), Pointwise()]))


async def test_it_connects_and_closes_all() -> None:
    critics = [Pointwise(), Pointwise()]
    together = pool(critics)
    with pytest.raises(ConfigError, match="connect first"):
        _ = together.identity
    async with connected([together]):
        assert together.identity == critics[0].identity
    assert [critic.closed for critic in critics] == [1, 1]


async def test_critics_that_differ() -> None:
    critics = [Pointwise(), Pointwise(), Pointwise(template="cd", seed="7")]
    message = "critics 1 and 3 of a pool would judge differently: seed 0 and '7'; template None and"
    with pytest.raises(ConfigError, match=message):
        async with connected([pool(critics)]):
            pass
    assert [critic.closed for critic in critics] == [1, 1, 1]


def test_there_must_be_one() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        pool([])


def test_equal_options_are_not_needed_where_they_change_no_judgement() -> None:
    critics = [FakeCritic(), FakeCritic(FakeCriticOptions(seconds=0.01))]
    asyncio.run(CriticPool(critics).connect())
