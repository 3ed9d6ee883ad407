"""What follows a picture in the studio, and where a run comes from."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rr_refine.agent.run import Run, load_run
from tests.studio.visitor import Visitor, opened

FINE: list[Any] = [{"text_faithfulness": 3.8, "physical_quality": 3.8}] * 12


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def made(visitor: Visitor, prompt: str = "a red cat", **form: Any) -> str:
    name = await visitor.begin(prompt, **form)
    await visitor.watch(name)
    return name


async def more(visitor: Visitor, name: str, kind: str, **form: Any) -> httpx2.Response:
    return await visitor.post(f"/api/runs/{name}/more", {"kind": kind, "picture": "r0c0", **form})


async def follow(visitor: Visitor, name: str, kind: str, **form: Any) -> Run:
    """The run that follows, when it is done."""
    answer = await more(visitor, name, kind, **form)
    assert answer.status_code == 201, answer.text
    new = answer.json()["name"]
    told = await visitor.watch(new)
    assert told.states[-1]["status"] == "done", told.states[-1]["problem"]
    return load_run(visitor.studio.out / new)


async def test_new_runs_say_where_they_come_from(visitor: Visitor, tmp_path: Path) -> None:
    name = await made(visitor, seed=7, keep=["red"])
    first = load_run(tmp_path / "runs" / name)
    digest = first.candidates[0].image
    tries = {
        "vary": await follow(visitor, name, "vary", count=3),
        "edit": await follow(visitor, name, "edit", words="make it blue"),
        "again": await follow(visitor, name, "again"),
        "prompt": await follow(visitor, name, "prompt"),
    }
    for kind, run in tries.items():
        assert run.lineage is not None
        assert (run.lineage.kind, run.lineage.run, run.parent) == (kind, first.id, first.id)
        assert (run.lineage.candidate, run.lineage.image) == ("r0c0", digest)
        state = await visitor.studio.state(run.path.name)
        assert state.parent is not None
        assert (state.parent.kind, state.parent.name, state.parent.image) == (kind, name, digest)
    assert len(tries["vary"].candidates) == 3
    assert len({c.seed for c in tries["vary"].candidates}) == 3
    assert tries["edit"].request.source == digest
    assert tries["edit"].request.prompt == "make it blue"
    assert tries["again"].request.seed != 7
    assert (tries["prompt"].request.seed, tries["prompt"].request.keep) == (7, ("red",))
    tiles = (await visitor.get("/api/runs")).json()
    told = {tile["name"]: tile["lineage"] for tile in tiles}
    assert told == {name: None, **{run.path.name: kind for kind, run in tries.items()}}


async def test_a_run_that_is_going_on_knows_its_parent(tmp_path: Path) -> None:
    options: dict[str, Any] = {"critic__seed": 1, "loop__target": 4.0}
    async with opened(tmp_path / "runs", **options) as visitor:
        name = await visitor.begin("a cat", review=True)
        told = await visitor.ask(name)
        await visitor.decide(name, told.states[-1]["question"], action="stop")
        await visitor.watch(name)
        answer = await more(visitor, name, "again")
        told = await visitor.ask(answer.json()["name"])
        assert told.states[-1]["parent"]["name"] == name
        assert told.of("run-started")[0].lineage.run == name


@pytest.mark.parametrize("words", ["", "It should be larger"])
async def test_a_run_goes_on(tmp_path: Path, words: str) -> None:
    async with opened(tmp_path / "runs", critic__script=FINE) as visitor:
        name = await made(visitor)
        before = await visitor.watch(name)
        answer = await more(visitor, name, "go-on", words=words)
        assert (answer.status_code, answer.json()["name"]) == (201, name)
        told = await visitor.watch(name, after=before.numbers[-1])
        assert told.states[-1]["status"] == "done"
        assert told.of("reviewed")[0].decision.remark == words
        assert told.of("round-started")[0].round == 1
        run = load_run(tmp_path / "runs" / name)
        assert len(run.candidates) > len(before.of("rendered"))
        assert [one.prompt for one in run.revisions] == ([f"a red cat. {words}"] if words else [])
        whole = await visitor.watch(name)
        assert whole.types.count("run-finished") == 2


async def test_who_goes_on_twice_at_once_goes_on_once(tmp_path: Path) -> None:
    hang: dict[str, Any] = {"critic__script": FINE, "generator__script": ["ok", "hang"]}
    async with opened(tmp_path / "runs", **hang) as visitor:
        name = await made(visitor)
        assert (await more(visitor, name, "go-on")).status_code == 201
        answer = await more(visitor, name, "go-on")
        assert (answer.status_code, answer.json()["error"]) == (
            400,
            "this run is going on already",
        )
        assert (await more(visitor, name, "vary")).status_code == 201  # of a finished picture


async def test_only_so_many(tmp_path: Path) -> None:
    options: dict[str, Any] = {"generator__script": ["ok", "hang"]}
    async with opened(tmp_path / "runs", max_runs=1, **options) as visitor:
        name = await made(visitor, preset="one-shot")
        assert (await more(visitor, name, "again")).status_code == 201
        answer = await more(visitor, name, "again")
        assert answer.status_code == 429
        assert "Retry-After" in answer.headers


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"kind": "dance"}, 400, "kind = 'dance' is none of"),
        ({"kind": "vary", "picture": "r9c9"}, 400, "there is no picture 'r9c9'"),
        ({"kind": "vary", "picture": "../x"}, 400, "picture"),
        ({"kind": "vary", "count": 0}, 400, "count = 0: it must be 1 or more"),
        ({"kind": "vary", "count": 65}, 400, "count = 65: 64 is the most"),
        ({"kind": "vary", "words": "x"}, 400, "words have no effect"),
        ({"kind": "edit"}, 400, "say what should change"),
        ({"kind": "edit", "words": " \n"}, 400, "say what should change"),
        ({"kind": "edit", "words": "x" * 200_001}, 400, "200,000 are the most"),
        ({"kind": "again", "generator": "evil:make"}, 400, "there is no field generator"),
        ({"picture": "r0c0"}, 400, "kind is missing"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_cannot_follow_is_told(
    visitor: Visitor, form: dict[str, Any], status: int, words: str
) -> None:
    name = await made(visitor, preset="one-shot")
    body = {"picture": "r0c0", **form}
    answer = await visitor.post(f"/api/runs/{name}/more", body)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text
    assert len((await visitor.get("/api/runs")).json()) == 1


async def test_what_is_not_done_does_not_go_on_so(tmp_path: Path) -> None:
    options: dict[str, Any] = {"critic__seed": 1, "loop__target": 4.0}
    async with opened(tmp_path / "runs", **options) as visitor:
        unfinished = await visitor.begin("a dog", review=True)
        await visitor.ask(unfinished)
    async with opened(tmp_path / "runs", **options) as visitor:
        answer = await more(visitor, unfinished, "go-on")
        assert answer.status_code == 400
        assert "has not come to its end" in answer.json()["error"]
        assert (await more(visitor, unfinished, "again")).status_code == 201


EVIL = "from pathlib import Path\nPath('pwned').touch()\ndef make(*a, **k): Path('pwned').touch()\n"


@pytest.mark.parametrize("kind", ["go-on", "vary", "edit", "again", "prompt"])
@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("policy", "rewriters", ["evil_part:make"]),
        ("policy", "stop_rules", ["evil_part:make"]),
        ("policy", "acceptance", "evil_part:make"),
        ("settings", "rewriter.use", ["evil_part:make"]),
        ("settings", "generator.use", "evil_part:make"),
    ],
)
async def test_a_run_folder_names_no_part(
    visitor: Visitor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    section: str,
    field: str,
    value: object,
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evil_part.py").write_text(EVIL)
    name = await made(visitor, preset="one-shot")
    file = tmp_path / "runs" / name / "config.json"
    config = json.loads(file.read_text())
    config[section][field] = value
    file.write_text(json.dumps(config))
    answer = await more(visitor, name, kind, words="x" if kind == "edit" else "")
    if section == "policy":
        assert answer.status_code == 400
        assert "which the settings of this studio do not name" in answer.json()["error"]
    elif kind != "go-on":
        new = answer.json()["name"]
        await visitor.watch(new)
        assert "evil_part" not in (tmp_path / "runs" / new / "config.json").read_text()
    assert "evil_part" not in sys.modules
    assert not (tmp_path / "pwned").exists()


async def test_a_parent_that_is_gone_or_elsewhere_is_no_link(
    visitor: Visitor, tmp_path: Path
) -> None:
    name = await made(visitor, preset="one-shot")
    child = (await follow(visitor, name, "again")).path.name
    out = tmp_path / "runs"
    await visitor.post("/api/trash", {"runs": [name]})
    state = await visitor.studio.state(child)
    assert state.parent is not None
    assert (state.parent.run, state.parent.name) == (name, None)
    shutil.copytree(out / ".trash" / name, tmp_path / "elsewhere")
    (out / name).symlink_to(tmp_path / "elsewhere")
    state = await visitor.studio.state(child)
    assert state.parent is not None
    assert state.parent.name is None


async def test_a_run_of_another_generator_is_varied_here_but_not_gone_on_with(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "runs") as visitor:
        name = await made(visitor, preset="one-shot")
    async with opened(tmp_path / "runs", generator__width=64) as visitor:
        answer = await more(visitor, name, "go-on")
        assert answer.status_code == 400
        assert "made with another generator" in answer.json()["error"]
        run = await follow(visitor, name, "vary", count=2)
        assert len(run.candidates) == 2
