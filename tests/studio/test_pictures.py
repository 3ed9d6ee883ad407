"""Your pictures: searched, thrown away and put back, exported."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from PIL import Image

from rr_refine.agent.report.gallery import find_runs
from rr_refine.agent.run import load_run
from rr_refine.agent.store.png import read_metadata
from tests.studio.visitor import Visitor, opened


async def listed(visitor: Visitor, search: str = "") -> list[str]:
    tiles = (await visitor.http.get("/api/runs", params={"search": search})).json()
    return [tile["prompt"] for tile in tiles]


async def made(visitor: Visitor, *prompts: str) -> list[str]:
    names = []
    for prompt in prompts:
        names.append(await visitor.begin(prompt, preset="one-shot"))
        await visitor.watch(names[-1])
    return names


async def left(visitor: Visitor, what: str, *names: str) -> dict[str, str]:
    answer = await visitor.post(f"/api/{what}", {"runs": names})
    assert answer.status_code == 200, answer.text
    stayed: dict[str, str] = answer.json()["left"]
    return stayed


async def test_search(visitor: Visitor, tmp_path: Path) -> None:
    await made(visitor, "a red Cat", "two DOGS on a red hill", "Straße")
    assert await listed(visitor, "cat") == ["a red Cat"]
    assert set(await listed(visitor, "RED")) == {"a red Cat", "two DOGS on a red hill"}
    assert await listed(visitor, "red dogs") == ["two DOGS on a red hill"]
    assert await listed(visitor, "STRASSE") == ["Straße"]
    assert await listed(visitor, "bird") == []
    assert len(await listed(visitor, "  ")) == 3
    assert len(await listed(visitor, "x" * 10_000)) == 0
    (run,) = (tmp_path / "runs").glob("*-a-red-cat-*")
    assert await listed(visitor, run.name) == ["a red Cat"]


async def test_a_search_finds_what_is_not_listed(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rr_refine.studio.history.MAX_TILES", 2)
    await made(visitor, "a first cat", "a dog", "a bird")
    (run,) = (tmp_path / "runs").glob("*-a-first-cat-*")
    run.rename(run.with_name(f"0{run.name}"))  # the oldest by its name
    assert "a first cat" not in await listed(visitor)
    assert await listed(visitor, "first") == ["a first cat"]


async def test_a_search_follows_no_links_and_reads_no_pipes(
    visitor: Visitor, tmp_path: Path
) -> None:
    (name,) = await made(visitor, "a secret cat")
    run = tmp_path / "runs" / name
    shutil.copytree(run, tmp_path / "elsewhere")
    (run.parent / "away").symlink_to(tmp_path / "elsewhere")
    for odd in ("link", "pipe"):
        (run.parent / odd).mkdir()
    (run.parent / "link" / "config.json").symlink_to(run / "config.json")
    os.mkfifo(run.parent / "pipe" / "config.json")
    assert await listed(visitor, "secret") == ["a secret cat"]


async def test_a_run_is_thrown_away_and_put_back(visitor: Visitor, tmp_path: Path) -> None:
    cat, dog = await made(visitor, "a cat", "a dog")
    out = tmp_path / "runs"
    before = sorted(path.relative_to(out) for path in (out / cat).rglob("*"))
    assert await left(visitor, "trash", cat) == {}
    assert await listed(visitor) == ["a dog"]
    trash = out / ".trash"
    assert [path.name for path in trash.iterdir()] == [cat]
    assert sorted(p.relative_to(trash) for p in (trash / cat).rglob("*")) == before
    assert trash.stat().st_mode & 0o077 == out.stat().st_mode & 0o077 == 0
    assert load_run(trash / cat).request.prompt == "a cat"
    for path in (f"/api/runs/{cat}/events", f"/runs/{cat}/result.png"):
        assert (await visitor.get(path)).status_code == 404
    assert [path.name for path in find_runs(out) if isinstance(path, Path)] == [dog]
    assert "no run" in (await left(visitor, "trash", cat))[cat]
    assert await left(visitor, "restore", cat) == {}
    assert set(await listed(visitor)) == {"a cat", "a dog"}
    assert "no run" in (await left(visitor, "restore", cat))[cat]


async def test_several_at_once_and_one_of_the_same_name(visitor: Visitor, tmp_path: Path) -> None:
    names = await made(visitor, "a cat", "a dog", "a bird")
    assert await left(visitor, "trash", *names, names[0]) == {}
    assert await listed(visitor) == []
    out = tmp_path / "runs"
    shutil.copytree(out / ".trash" / names[0], out / names[0])
    for what in ("trash", "restore"):
        stayed = await left(visitor, what, names[0])
        assert "already" in stayed[names[0]]
    assert (out / names[0] / "config.json").exists()
    assert (out / ".trash" / names[0] / "config.json").exists()


async def test_a_run_that_goes_on_is_not_thrown_away(tmp_path: Path) -> None:
    options: dict[str, Any] = {"critic__seed": 1, "loop__target": 4.0}
    async with opened(tmp_path / "runs", **options) as visitor:
        name = await visitor.begin("a cat", review=True)
        await visitor.ask(name)
        assert await left(visitor, "trash", name) == {name: "this run is going on: end it first"}
        state = await visitor.studio.state(name)
        assert state.status == "waiting"
        await visitor.post(f"/api/runs/{name}/stop", {})
        await visitor.until(lambda: name not in visitor.studio._live)
        assert await left(visitor, "trash", name) == {}


async def test_a_run_of_another_process_is_not_thrown_away(
    visitor: Visitor, tmp_path: Path
) -> None:
    (name,) = await made(visitor, "a cat")
    with (tmp_path / "runs" / name / ".lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another process works on" in (await left(visitor, "trash", name))[name]
    assert await left(visitor, "trash", name) == {}


async def test_nothing_outside_of_the_folder_is_moved(visitor: Visitor, tmp_path: Path) -> None:
    (name,) = await made(visitor, "a cat")
    out = tmp_path / "runs"
    shutil.copytree(out / name, tmp_path / "elsewhere")
    (out / "away").symlink_to(tmp_path / "elsewhere")
    (out / "latest").symlink_to(out / name)
    (out / "empty").mkdir()
    (out / "file").write_text("x")
    odd = ["..", ".", "../elsewhere", str(tmp_path / "elsewhere"), f"{name}/images", f"{name}/.."]
    for one in (*odd, "away", "latest", "empty", "file", "", ".trash", "x\0y", "\ud800", "a b"):
        body = json.dumps({"runs": [one]})
        for what in ("trash", "restore"):
            answer = await visitor.http.post(
                f"/api/{what}", content=body, headers={"Content-Type": "application/json"}
            )
            if answer.status_code == 200:
                assert "no run" in answer.json()["left"][one], one
            else:
                assert answer.status_code == 400, one
    assert (tmp_path / "elsewhere" / "config.json").exists()
    assert (out / name / "config.json").exists()
    assert not (out / ".trash").exists()


@pytest.mark.parametrize("what", ["trash", "restore"])
async def test_a_trash_that_is_a_link(visitor: Visitor, tmp_path: Path, what: str) -> None:
    (name,) = await made(visitor, "a cat")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = tmp_path / "runs"
    if what == "restore":
        (out / name).rename(elsewhere / name)
        (elsewhere / name / ".lock").unlink()
    (out / ".trash").symlink_to(elsewhere)
    stayed = await left(visitor, what, name)
    assert "is a link" in stayed[name]
    assert [p.name for p in elsewhere.iterdir()] == ([name] if what == "restore" else [])
    assert not (elsewhere / name / ".lock").exists()


@pytest.mark.parametrize(
    "body",
    [{}, {"runs": []}, {"runs": ["a"] * 101}, {"runs": "a"}, {"runs": [1]}, {"all": True}, []],
    ids=ascii,
)
async def test_who_chooses_nothing_moves_nothing(visitor: Visitor, body: object) -> None:
    for what in ("trash", "restore", "export"):
        answer = await visitor.post(f"/api/{what}", body)
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("no runs are chosen: ")
        assert "Input" not in answer.text


async def exported(visitor: Visitor, *names: str) -> ZipFile:
    answer = await visitor.post("/api/export", {"runs": names})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="pictures.zip"' in answer.headers["content-disposition"]
    archive = ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return archive


async def test_pictures_are_exported_with_their_metadata(visitor: Visitor, tmp_path: Path) -> None:
    cat, dog = await made(visitor, "a cat", "„zwei“ Hunde")
    archive = await exported(visitor, cat, dog, cat)
    assert archive.namelist() == [f"{cat}.png", f"{dog}.png", "pictures.json"]
    for name, prompt in ((cat, "a cat"), (dog, "„zwei“ Hunde")):
        png = archive.read(f"{name}.png")
        assert png == (tmp_path / "runs" / name / "result.png").read_bytes()
        assert Image.open(io.BytesIO(png)).size == (48, 32)
        assert (read_metadata(png) or {})["prompt"] == prompt
    listing = json.loads(archive.read("pictures.json"))
    assert listing["left_out"] == []
    first, second = listing["pictures"]
    assert (first["file"], second["prompt"]) == (f"{cat}.png", "„zwei“ Hunde")
    run = load_run(tmp_path / "runs" / cat)
    assert run.best is not None
    assert (first["seed"], first["mean"], first["scores"]) == (0, run.best.mean, run.best.scores)
    assert first["generator"]["name"] == "fake"
    assert first["request"]["prompt"] == "a cat"


async def test_an_export_has_limits(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cat, dog = await made(visitor, "a cat", "a dog")
    out = tmp_path / "runs"
    (out / dog / "result.png").unlink()
    answer = await visitor.post("/api/export", {"runs": [cat, dog]})
    assert (answer.status_code, "has no picture yet" in answer.text) == (404, True)
    (out / dog / "result.png").symlink_to(out / cat / "result.png")
    answer = await visitor.post("/api/export", {"runs": [dog]})
    assert answer.status_code == 400
    assert f"run {dog!r} cannot be exported: " in answer.json()["error"]
    assert "is a link" in answer.json()["error"]
    (out / dog / "result.png").unlink()
    shutil.copy(out / cat / "result.png", out / dog)
    journal = out / dog / "samples.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    for text, words in (
        ("".join(line for line in lines if '"round"' not in line), "tells nothing of how"),
        ("no journal\n", "is no journal item"),
    ):
        journal.write_text(text)
        answer = await visitor.post("/api/export", {"runs": [cat, dog]})
        assert (answer.status_code, words in answer.text) == (400, True), answer.text
    assert (await exported(visitor, cat)).namelist() == [f"{cat}.png", "pictures.json"]
    assert (await visitor.post("/api/export", {"runs": ["../runs"]})).status_code == 404
    monkeypatch.setattr("rr_refine.studio.export.MAX_EXPORT", 100)
    answer = await visitor.post("/api/export", {"runs": [cat]})
    assert (answer.status_code, "choose fewer" in answer.text) == (400, True)


def test_what_was_deleted_meanwhile_is_named(tmp_path: Path) -> None:
    from rr_refine.studio.export import Exported, zipped

    pieces = b"".join(zipped([Exported(tmp_path / "gone", {})]))
    listing = json.loads(ZipFile(io.BytesIO(pieces)).read("pictures.json"))
    assert listing["pictures"] == []
    assert [one["run"] for one in listing["left_out"]] == ["gone"]
