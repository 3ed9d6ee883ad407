"""When the report is written, and that nothing depends on it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from rr_refine.agent.events import Event, Rendered, RoundStarted
from rr_refine.agent.refine import make_job
from rr_refine.agent.report.report import try_report, write_report
from rr_refine.agent.run import load_run
from rr_refine.agent.run_context import folder_for
from rr_refine.agent.session import run_job
from rr_refine.agent.store.folder import RunFolder
from rr_refine.errors import ConfigError, StoreError
from tests.agent import whole
from tests.agent.full_disk import FullDisk
from tests.agent.records import only_run


async def test_a_finished_run_has_its_report(tmp_path: Path) -> None:
    run = await whole.run(tmp_path)
    assert run.report_path == run.path / "report" / "index.html"
    before = run.report_path.read_bytes()
    with RunFolder(run.path, lock=False) as folder:
        write_report(folder)
    assert run.report_path.read_bytes() == before  # the same records, the same page
    run.report_path.unlink()
    assert run.report_path is None


async def test_a_run_that_broke_has_its_report(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        await whole.run(tmp_path, critic=whole.UnreliableCritic([None, ConfigError("wrong key")]))
    assert "it failed, and can be resumed" in _page(tmp_path)


async def test_a_cancelled_run_has_its_report(tmp_path: Path) -> None:
    begun = asyncio.Event()

    def on_event(event: Event) -> None:
        if isinstance(event, RoundStarted) and event.round == 1:
            begun.set()

    hangs = whole.generator("ok", "hang")
    task = asyncio.create_task(whole.run(tmp_path, generator=hangs, on_event=on_event))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "it was interrupted, and can be resumed" in _page(tmp_path)


async def test_no_report_is_written_where_none_is_wanted(tmp_path: Path) -> None:
    job = make_job(
        whole.PROMPT,
        generator=whole.generator(),
        critic=whole.UnreliableCritic(),
        policy=whole.policy(),
    )
    with folder_for(job, tmp_path) as folder:
        async with aclosing(run_job(folder, job, report=False)) as events:
            assert [event async for event in events]
    run = load_run(folder.path)
    assert run.status == "done"
    assert run.report_path is None


async def test_a_report_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    def on_event(event: Event) -> None:
        if isinstance(event, Rendered):  # a file where the folder should be
            (only_run(tmp_path) / "report").write_text("")

    run = await whole.run(tmp_path, on_event=on_event)
    assert run.status == "done"
    assert run.outcome is not None
    assert run.outcome.ok
    assert run.report_path is None
    with RunFolder(run.path, lock=False) as folder, pytest.raises(StoreError, match="cannot write"):
        write_report(folder)


async def test_an_old_report_does_not_outlive_a_failed_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await whole.run(tmp_path)
    with RunFolder(run.path, lock=False) as folder:
        disk = FullDisk(monkeypatch, room=100)
        try_report(folder)
    assert disk.hits
    assert run.report_path is None
    assert list((run.path / "report").iterdir()) == []


def _page(out: Path) -> str:
    return (only_run(out) / "report" / "index.html").read_text("utf-8")
