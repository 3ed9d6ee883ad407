from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import httpx2
import pytest

from rr_refine.endpoint.client import EndpointClient
from rr_refine.errors import ConfigError, CriticUnavailable
from rr_refine.reward.openai import OpenAICritic
from rr_refine.reward.sleep import SleepingServer
from tests.reward.test_openai import CAT, GOOD, Json, Server, completion, fault

WAKES = ["/wake_up", "/reset_mm_cache", "/reset_encoder_cache"]


class Sleeper(Server):
    """As vLLM with its sleep mode: asleep, it gives no answers."""

    def __init__(self, *, known: bool = True) -> None:
        super().__init__(completion(GOOD))
        self.known = known
        self.asleep = False
        self.told: list[str] = []

    def reply(self, body: Json) -> httpx2.Response:
        return fault(400, "asleep") if self.asleep else super().reply(body)

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path.startswith("/v1/"):
            return super().handle(request)
        if not self.known:
            return fault(404)
        self.told.append(path)
        self.asleep = {"/sleep": True, "/wake_up": False}.get(path, self.asleep)
        return httpx2.Response(200)

    def sleeping_critic(self) -> OpenAICritic:
        return self.critic(sleep_mode=True, max_retries=0)


async def test_a_server_sleeps_from_the_start_and_wakes_to_judge() -> None:
    server = Sleeper()
    critic = server.sleeping_critic()
    await critic.connect()
    assert server.asleep
    await critic.critique(CAT)
    assert server.asleep
    assert server.told == ["/sleep", *WAKES, "/sleep"]


class Told:
    """An endpoint that only takes note, and its time."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.on_told: dict[str, Callable[[], object]] = {}

    async def tell(self, path: str) -> None:
        path = path.partition("?")[0]
        self.paths.append(path)
        self.on_told.get(path, bool)()
        await asyncio.sleep(0)


async def test_judgements_at_once_share_the_time_awake() -> None:
    endpoint = Told()
    sleeping = SleepingServer(cast("EndpointClient", endpoint))

    async def ask() -> None:
        async with sleeping.awake():
            assert endpoint.paths == WAKES
            await asyncio.sleep(0)

    await asyncio.gather(*(ask() for _ in range(5)))
    assert endpoint.paths == [*WAKES, "/sleep"]


async def test_it_sleeps_again_after_a_fault() -> None:
    server = Sleeper()
    server.script = [fault(503)]
    with pytest.raises(CriticUnavailable):
        await server.sleeping_critic().critique(CAT)
    assert server.asleep


@pytest.mark.parametrize("path", WAKES)
async def test_it_sleeps_again_when_a_judgement_is_cancelled_while_it_wakes(path: str) -> None:
    endpoint = Told()
    sleeping = SleepingServer(cast("EndpointClient", endpoint))

    async def ask() -> None:
        async with sleeping.awake():
            await asyncio.sleep(3600)

    asking = asyncio.create_task(ask())
    endpoint.on_told[path] = asking.cancel
    await asyncio.gather(asking, return_exceptions=True)
    assert asking.cancelled()
    assert endpoint.paths[-2:] == [path, "/sleep"]


async def test_a_server_without_the_mode_is_told_from_one_that_is_down() -> None:
    with pytest.raises(ConfigError, match=r"rr-refine serve MODEL --sleep-mode"):
        await Sleeper(known=False).sleeping_critic().connect()
    server = Server(completion(GOOD))
    server.handle = lambda request: fault(503)  # type: ignore[method-assign]
    with pytest.raises(CriticUnavailable):
        await server.critic(sleep_mode=True, max_retries=0).connect()


async def test_without_the_option_nothing_is_told() -> None:
    server = Sleeper()
    critic = server.critic()
    await critic.connect()
    await critic.critique(CAT)
    assert server.told == []
