"""Room for the pictures of runs: nobody takes more than there is, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rr_refine.agent.run import load_run
from rr_refine.room import Room, Share
from tests.studio.test_limits import picture
from tests.studio.visitor import opened


async def test_who_finds_no_room_waits_in_line() -> None:
    room = Room(10)
    first, second, third, small = (Share(room, amount) for amount in (8, 8, 4, 2))
    await first.take()
    waiting = [asyncio.create_task(place.take()) for place in (second, third, small)]
    await asyncio.sleep(0)
    assert [place.in_line for place in (first, second, third, small)] == [False, True, True, True]
    first.leave()
    first.leave()  # twice is once
    await asyncio.wait(waiting, timeout=0.01, return_when=asyncio.FIRST_COMPLETED)
    assert [place.in_line for place in (second, third, small)] == [False, True, True]
    waiting[1].cancel()  # gives up: who stands behind it goes on
    await asyncio.wait(waiting, timeout=10)
    assert not small.in_line
    second.leave()
    small.leave()
    assert room.left == room.most == 10


async def test_more_than_there_is_takes_all_and_nothing_takes_none() -> None:
    room = Room(10)
    large, none = Share(room, 50), Share(room, 0)
    await large.take()
    assert room.left == 0
    await none.take()
    none.leave()
    large.leave()
    assert room.left == 10


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_all_comes_back(seed: int) -> None:
    draw = random.Random(seed)
    room = Room(10)

    async def visit() -> None:
        place = Share(room, draw.randrange(15))
        try:
            for _ in range(3):
                await place.take()
                assert room.left >= 0
                await asyncio.sleep(draw.random() / 100)
                place.leave()
        finally:
            place.leave()

    visits = [asyncio.create_task(visit()) for _ in range(30)]
    for one in draw.sample(visits, 10):
        await asyncio.sleep(draw.random() / 100)
        one.cancel()
    async with asyncio.timeout(20):
        for one in visits:
            with suppress(asyncio.CancelledError):
                await one
    assert (room.left, len(room.line)) == (10, 0)


async def test_runs_with_large_pictures_wait_for_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In line, a run is listed, can be stopped, is resumed when it is there again, with its
    picture; a run without a picture, and one whose user is asked, are in nobody's way.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rr_refine.studio.studio._AT_WORK", 1000)
    form = {"prompt": "make it blue", "picture": picture(), "preset": "one-shot"}
    hang: dict[str, Any] = {"generator__seconds": 3600.0}
    runs = tmp_path / "runs"
    async with opened(runs, **hang) as visitor:
        first = await visitor.begin(**form)
        second = await visitor.begin(**form)
        third = await visitor.begin(**form)
        told = visitor.studio.live(second).state
        assert told.status == "working"
        assert any("waits for room" in note for note in told.notes)
        assert not any("waits" in note for note in visitor.studio.live(first).state.notes)
        without = await visitor.begin("a cat", preset="one-shot")
        await visitor.until(
            lambda: "round-started" in (runs / without / "events.jsonl").read_text()
        )
        assert (await visitor.post(f"/api/runs/{second}/stop", {})).status_code == 200
        await visitor.until(lambda: second not in visitor.studio._live)
        listed = {t["name"]: t["status"] for t in (await visitor.get("/api/runs")).json()}
        assert listed[second] == "unfinished"
        assert (await visitor.post(f"/api/runs/{first}/stop", {})).status_code == 200
        await visitor.until(lambda: not visitor.studio.live(third).state.notes)
    for name in (first, second, third):
        assert load_run(runs / name).status == "interrupted"
    again = hang | {"generator__seconds": 0.0}
    async with opened(runs, **again) as visitor:
        for name in (second, third):
            assert (await visitor.post(f"/api/runs/{name}/resume", {})).status_code == 200
        for name in (second, third):
            told_again = await visitor.watch(name)
            assert told_again.states[-1]["status"] == "done"


async def test_a_run_whose_user_is_asked_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rr_refine.studio.studio._AT_WORK", 1000)
    more: dict[str, Any] = {"critic__seed": 1, "loop__target": 4.0}
    async with opened(tmp_path / "runs", **more) as visitor:
        form = {"prompt": "make it blue", "picture": picture()}
        asking = await visitor.begin(**form, review=True)
        question = (await visitor.ask(asking)).states[-1]["question"]
        other = await visitor.begin(**form, preset="one-shot")
        assert (await visitor.watch(other)).states[-1]["status"] == "done"
        assert (await visitor.decide(asking, question, action="accept")).status_code == 200
        told = await visitor.watch(asking, until="waiting", after=1)
        assert told.of("reviewed")
