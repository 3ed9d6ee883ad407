"""Runs whose files are not as this program writes them: told in words, and others go on."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.studio.test_history import listed
from tests.studio.visitor import Visitor
from tests.test_picture_file import bomb


async def a_run(visitor: Visitor, tmp_path: Path) -> Path:
    name = await visitor.begin("make it blue", preset="best-of-n")
    await visitor.watch(name)
    return tmp_path / "runs" / name


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, "JPEG")
    return out.getvalue()


def large(path: Path) -> None:
    path.write_bytes(bomb())
    os.truncate(path, 2**28 + 1)


ODD: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no picture"),
    "html": lambda path: path.write_text("<script>alert(1)</script>"),
    "jpeg": lambda path: path.write_bytes(jpeg()),
    "cut": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0"),
    "bomb": lambda path: path.write_bytes(bomb()),
    "large": large,
    "folder": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
    "link": lambda path: path.symlink_to("/etc/hostname"),
    "loop": lambda path: path.symlink_to(path),
    "nowhere": lambda path: path.symlink_to("nothing"),
    "device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("place", ["result", "whole", "small"])
@pytest.mark.parametrize("kind", ODD)
async def test_a_picture_that_is_none(
    visitor: Visitor, tmp_path: Path, kind: str, place: str
) -> None:
    run = await a_run(visitor, tmp_path)
    picture = next(run.glob("images/*/*.png"))
    good = await visitor.get(f"/runs/{run.name}/result.png")
    assert good.status_code == 200
    path = run / "result.png" if place == "result" else picture
    path.unlink()
    ODD[kind](path)
    address = "result.png" if place == "result" else f"{place}/{picture.name}"
    for method in ("GET", "HEAD"):
        answer = await visitor.http.request(method, f"/runs/{run.name}/{address}")
        assert answer.status_code in (404, 422), answer.text
        assert answer.headers["content-type"] == "application/json"
    answer = await visitor.get(f"/runs/{run.name}/{address}")
    assert answer.json()["error"]
    assert set(await listed(visitor)) == {run.name}
    if place == "result" and kind not in ("folder", "pipe", "link", "loop", "nowhere", "device"):
        told = await visitor.watch(run.name)
        assert not told.states[-1]["result"]  # so there is no button that saves it


async def test_a_picture_that_nobody_may_read(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await a_run(visitor, tmp_path)
    real = os.open

    def denied(path: Any, *args: Any, **more: Any) -> int:
        if str(path).endswith(".png"):  # root may read all
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **more)

    picture = next(run.glob("images/*/*.png"))
    monkeypatch.setattr(os, "open", denied)
    for address in ("result.png", f"whole/{picture.name}", f"small/{picture.name}"):
        answer = await visitor.get(f"/runs/{run.name}/{address}")
        assert answer.status_code in (404, 422)
        assert answer.json()["error"]


VALUES: list[Any] = [
    None,
    True,
    -1,
    1e999,
    10**400,
    "",
    "\ud800",
    "a\nb",
    [],
    {},
    [[]],
    {"a": {}},
    "x" * 10**5,
]


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all values inside of one."""
    yield way
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, one in inner:
        yield from places(one, (*way, key))


def put(value: Any, way: tuple[Any, ...], new: object) -> Any:
    """A copy with another value at that place."""
    if not way:
        return new
    copy = value.copy()
    copy[way[0]] = put(value[way[0]], way[1:], new)
    return copy


def no_number(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize("file", ["config.json", "manifest.json", "samples.jsonl", "events.jsonl"])
async def test_values_of_other_types(visitor: Visitor, tmp_path: Path, file: str) -> None:
    """Every value of every record, in turn, as something else."""
    run = await a_run(visitor, tmp_path)
    path = run / file
    before = path.read_text()
    lines = [before] if file.endswith(".json") else before.splitlines()
    asked = 0
    for number, line in enumerate(lines):
        record = json.loads(line)
        for count, way in enumerate(places(record)):
            new = VALUES[(count + number) % len(VALUES)]
            changed = json.dumps(put(record, way, new))
            path.write_text("\n".join([*lines[:number], changed, *lines[number + 1 :], ""]))
            os.utime(run / "config.json", (asked, asked))  # read anew
            problem = (await listed(visitor))[run.name]
            told = await visitor.get(f"/api/runs/{run.name}/events")
            assert told.status_code in (200, 404, 422), (way, new, told.text)
            if told.status_code != 200:
                assert told.json()["error"], way
            elif file != "events.jsonl":
                assert not problem, (way, new)
            for text in told.text.splitlines():
                if text.startswith("data: "):
                    json.loads(text[6:], parse_constant=no_number)
            asked += 1
    assert asked > 10


@pytest.mark.parametrize("name", ["config.json", "manifest.json", "samples.jsonl", "events.jsonl"])
@pytest.mark.parametrize(
    "kind", ["empty", "text", "folder", "pipe", "link", "large", "deep", "nul"]
)
async def test_records_that_are_none(
    visitor: Visitor, tmp_path: Path, name: str, kind: str
) -> None:
    run = await a_run(visitor, tmp_path)
    shutil.copytree(run, run.parent / "good")
    (run / name).unlink()
    more = {
        "deep": lambda path: path.write_text("[" * 10**5 + "\n"),
        "nul": lambda path: path.write_bytes(bytes(10**6) + b"\n"),
    }
    (ODD | more)[kind](run / name)
    found = await listed(visitor)
    assert found["good"] == ""
    if name == "events.jsonl":  # of an empty file, and of a torn line, nothing is read
        assert bool(found[run.name]) == (kind not in ("empty", "text"))
    for path, method in (("events", "GET"), ("events", "HEAD"), ("resume", "POST")):
        ours = {"Content-Type": "application/json"}
        answer = await visitor.http.request(
            method, f"/api/runs/{run.name}/{path}", content=b"{}", headers=ours
        )
        assert answer.status_code in (200, 400, 404, 422), answer.text
    assert (await visitor.get("/api/runs/good/events")).status_code == 200
