"""The contract, kept by our fake critic; and each of its tests noticing a broken rule."""

from __future__ import annotations

import asyncio
import random

import pytest

from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison
from rr_refine.reward.contract import CriticContract
from rr_refine.reward.critic import ComparisonRequest, Critic, CritiqueRequest
from rr_refine.reward.fake import FakeCritic, FakeCriticOptions
from rr_refine.terms import Identity, Usage


class TestFakeCritic(CriticContract):
    def make_critic(self) -> Critic:
        return FakeCritic(FakeCriticOptions(seconds=0.001))


class TestSamplingFakeCritic(CriticContract):
    deterministic = False

    def make_critic(self) -> Critic:
        return FakeCritic(FakeCriticOptions(samples=3))


class TestACriticThatDoesNotCompare(CriticContract):
    tasks = ("t2i",)

    def make_critic(self) -> Critic:
        return Pointwise()


class Pointwise:
    """A critic with the two members that it must have."""

    def __init__(self) -> None:
        self._inner = FakeCritic()
        self.identity = self._inner.identity

    async def critique(self, request: CritiqueRequest) -> Assessment:
        return await self._inner.critique(request)


class OtherIdentity(Pointwise):
    async def critique(self, request: CritiqueRequest) -> Assessment:
        assessment = await super().critique(request)
        return assessment.model_copy(update={"critic": Identity(kind="a", name="b")})


class WrongTask(Pointwise):
    async def critique(self, request: CritiqueRequest) -> Assessment:
        return await super().critique(type(request)(request.prompt, request.image))


class SilentAboutCost(Pointwise):
    async def critique(self, request: CritiqueRequest) -> Assessment:
        return (await super().critique(request)).model_copy(update={"usage": Usage()})


class WithoutRawText(Pointwise):
    async def critique(self, request: CritiqueRequest) -> Assessment:
        assessment = await super().critique(request)
        mute = tuple(c.model_copy(update={"raw": ""}) for c in assessment.critiques)
        return assessment.model_copy(update={"critiques": mute})


class Moody(Pointwise):
    async def critique(self, request: CritiqueRequest) -> Assessment:
        mood = f"{request.prompt} {random.random()}"
        return await super().critique(type(request)(mood, request.image, request.source))


class MixesAnswersUp(Pointwise):
    """Two calls at once get each other's answers."""

    def __init__(self) -> None:
        super().__init__()
        self.last: CritiqueRequest | None = None

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self.last = request
        await asyncio.sleep(0.001)
        return await super().critique(self.last)


class DrawsOnThePicture(Pointwise):
    async def critique(self, request: CritiqueRequest) -> Assessment:
        request.image.paste((1, 2, 3), (0, 0, 8, 8))
        return await super().critique(request)


class DiesOfCancellation(Pointwise):
    async def critique(self, request: CritiqueRequest) -> Assessment:
        try:
            await asyncio.sleep(0)
            return await super().critique(request)
        except asyncio.CancelledError:
            raise RuntimeError("the connection is gone") from None


class ChokesOnNul(Pointwise):
    async def critique(self, request: CritiqueRequest) -> Assessment:
        if "\0" in request.prompt:
            raise ValueError("embedded null byte")
        return await super().critique(request)


class ConnectsOnce(Pointwise):
    connected = False

    async def connect(self) -> None:
        assert not self.connected
        self.connected = True


class BoundToOneLoop(Pointwise):
    def __init__(self) -> None:
        super().__init__()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self.loop = self.loop or asyncio.get_running_loop()
        if self.loop is not asyncio.get_running_loop():
            raise RuntimeError("attached to a different loop")
        return await super().critique(request)


class PrefersTheFirst(FakeCritic):
    """Does not ask in both orders: the second answer is the first one's mirror image."""

    async def compare(self, request: ComparisonRequest) -> Comparison:
        comparison = await FakeCritic(FakeCriticOptions(comparisons=("a",))).compare(request)
        return comparison.model_copy(update={"critic": self.identity})


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (object, "test_it_is_a_critic"),
        (OtherIdentity, "test_identity_is_stable"),
        (WrongTask, "test_judges_every_dimension"),
        (SilentAboutCost, "test_judges_every_dimension"),
        (WithoutRawText, "test_judges_every_dimension"),
        (Moody, "test_same_request_gives_the_same_scores"),
        (MixesAnswersUp, "test_concurrent_calls_equal_single_calls"),
        (DrawsOnThePicture, "test_leaves_the_pictures_alone"),
        (DiesOfCancellation, "test_cancelling_leaves_it_usable"),
        (ChokesOnNul, "test_weird_prompts"),
        (BoundToOneLoop, "test_works_from_two_event_loops"),
        (ConnectsOnce, "test_another_run_may_connect_it"),
        (PrefersTheFirst, "test_comparison_prefers_no_place"),
    ],
)
def test_a_broken_rule_is_noticed(broken: type[Critic], rule: str) -> None:
    class Contract(CriticContract):
        def make_critic(self) -> Critic:
            return broken()

    with pytest.raises((AssertionError, RuntimeError)):
        getattr(Contract(), rule)()


def test_every_rule_is_broken_above() -> None:
    rules = {name for name in dir(CriticContract) if name.startswith("test_")}
    (mark,) = test_a_broken_rule_is_noticed.pytestmark  # type: ignore[attr-defined]
    assert {rule for _, rule in mark.args[1]} == rules
