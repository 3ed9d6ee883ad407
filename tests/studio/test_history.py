"""The list of runs: what cannot be shown is in it, with the reason, and stops nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from rr_refine.studio import history
from tests.studio.visitor import Visitor

ODD = [
    'a">run',
    "a run",
    "<img src=x>",
    "läuft",
    "-\x1b[2J",
    "x" * 201,
    "a\nb",
    os.fsdecode(b"a\xffb"),
]


async def listed(visitor: Visitor) -> dict[str, str]:
    """The list: the problem of each run by its name."""
    answer = await visitor.get("/api/runs")
    assert answer.status_code == 200, answer.text
    return {tile["name"]: tile["problem"] for tile in answer.json()}


async def a_run(visitor: Visitor, tmp_path: Path) -> Path:
    name = await visitor.begin("a cat", preset="one-shot")
    await visitor.watch(name)
    return tmp_path / "runs" / name


@pytest.mark.parametrize("name", ODD, ids=ascii)
async def test_a_run_with_an_odd_name(visitor: Visitor, tmp_path: Path, name: str) -> None:
    run = await a_run(visitor, tmp_path)
    shutil.copytree(run, run.parent / name)
    found = await listed(visitor)
    assert found.pop(run.name) == ""
    ((shown, problem),) = found.items()
    assert shown == name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    assert problem.startswith("rename it")


async def test_links_to_runs(visitor: Visitor, tmp_path: Path) -> None:
    run = await a_run(visitor, tmp_path)
    shutil.copytree(run, tmp_path / "elsewhere")
    for name, target in (
        ("away", tmp_path / "elsewhere"),
        ("latest", run),
        ("loop", run.parent / "loop"),
        ("nowhere", tmp_path / "nothing"),
    ):
        (run.parent / name).symlink_to(target)
    found = await listed(visitor)
    assert set(found) == {run.name, "away"}  # where `latest` leads is in the list
    assert "links in here are not followed" in found["away"]


@pytest.mark.parametrize("part", ["images", "images/*", "images/*/*", "events.jsonl", "report"])
async def test_a_run_with_a_link_inside(visitor: Visitor, tmp_path: Path, part: str) -> None:
    """Neither shown without pictures, nor without a word."""
    run = await a_run(visitor, tmp_path)
    (run / "report").mkdir(exist_ok=True)
    path = next(run.glob(part))
    path.rename(tmp_path / "aside")
    path.symlink_to(tmp_path / "aside")
    os.utime(run / "manifest.json", (1, 1))  # read anew
    assert "is a link" in (await listed(visitor))[run.name]
    events = await visitor.get(f"/api/runs/{run.name}/events")
    assert events.status_code == 422
    assert "is a link" in events.json()["error"]


async def test_folders_that_nobody_may_look_into(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await a_run(visitor, tmp_path)
    closed = run.parent / "closed"
    closed.mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: path != closed)  # root may look into all
    assert "closed" in await listed(visitor)

    def iterdir(_: Path) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", iterdir)
    answer = await visitor.get("/api/runs")
    assert answer.status_code == 500
    assert "Permission denied" in answer.json()["error"]


async def test_what_there_was_no_time_to_read_is_read_the_next_time(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list is never late, however much there is to read."""
    run = await a_run(visitor, tmp_path)
    assert (await listed(visitor))[run.name] == ""
    shutil.copytree(run, run.parent / "new")
    os.utime(run / "manifest.json", (1, 1))
    monkeypatch.setattr(history, "_READ_WITHIN", 0.0)
    for _ in range(2):
        found = await listed(visitor)
        assert found[run.name] == ""  # as it was read before
        assert "not yet" in found["new"]
    monkeypatch.undo()
    assert await listed(visitor) == {run.name: "", "new": ""}


@pytest.mark.parametrize("name", ["zzz-{}", "~{}", "2{}", "a{}", "run-{}"])
async def test_folders_of_others_keep_no_run_out(
    visitor: Visitor, tmp_path: Path, name: str
) -> None:
    run = await a_run(visitor, tmp_path)
    for number in range(history.MAX_TILES):
        (run.parent / name.format(number)).mkdir()
        shutil.copy(run / "config.json", run.parent / name.format(number))
    assert run.name in await listed(visitor)


async def test_nor_do_names_like_ours_one_that_is_at_work(tmp_path: Path) -> None:
    names = [f"99991231-235959-{number}" for number in range(history.MAX_TILES)]
    for name in (*names, "20260101-000000-a-cat", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    runs = history.RunList(tmp_path)
    assert len(runs.tiles()) == history.MAX_TILES
    found = [tile.name for tile in runs.tiles({"20260101-000000-a-cat", "mine"})]
    assert len(found) == history.MAX_TILES
    assert {"20260101-000000-a-cat", "mine"} <= {*found}
