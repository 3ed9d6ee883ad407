"""A run that breaks off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rr_refine.agent.events import Event
from rr_refine.agent.refine import make_job
from rr_refine.agent.store.folder import RunFolder
from rr_refine.generators.fake import FakeGenerator, FakeOptions
from rr_refine.reward.fake import FakeCritic
from rr_refine.room import Room, Share
from rr_refine.studio import live_run
from rr_refine.studio.live_run import LiveRun
from rr_refine.studio.page_events import PageEvents


async def test_an_error_of_the_program_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> AsyncIterator[Event]:
        raise OSError("https://me:hunter2@host said no to api_key=sk-42")
        yield

    monkeypatch.setattr(live_run, "run_job", broken)
    job = make_job("a cat", generator=FakeGenerator(FakeOptions()), critic=FakeCritic())
    ended = asyncio.Event()
    with caplog.at_level(logging.ERROR):
        folder, place = RunFolder(tmp_path / "run"), Share(Room(1), 0)
        live = LiveRun(folder, job, (), PageEvents(), place, lambda _: ended.set())
        await asyncio.wait_for(ended.wait(), 10)
    told = "OSError: https://***@host said no to api_key=***"
    assert live.problem == f"an error of the program: {told}"
    assert told in caplog.text
    assert "hunter2" not in caplog.text and "sk-42" not in caplog.text
