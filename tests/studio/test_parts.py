"""The studio's parts are those of its own settings, whatever a folder or a request names."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from rr_refine.agent.run import load_run
from tests.studio.visitor import opened

EVIL = "from pathlib import Path\nPath('pwned').touch()\ndef make(*a, **k): Path('pwned').touch()\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a module in it that a dotted path would find."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evil_part.py").write_text(EVIL)


async def unfinished(out: Path, changes: dict[str, object]) -> str:
    """The name of a run that waits, with changes to its config.json: `policy/rewriters`."""
    async with opened(out, loop__target=4.0, critic__seed=1) as visitor:
        name = await visitor.begin("a red cat", review=True)
        await visitor.ask(name)
    file = out / name / "config.json"
    config = json.loads(file.read_text())
    for path, value in changes.items():
        section, *rest = path.split("/")
        if rest:
            config[section][rest[0]] = value
        else:
            config[section] = value
    file.write_text(json.dumps(config))
    return name


def nothing_was_made() -> None:
    assert "evil_part" not in sys.modules
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"policy/rewriters": ["evil_part:make"]},
        {"policy/rewriters": ["critic", "evil_part:make"], "rewriters": []},
        {"policy/stop_rules": ["evil_part:make"]},
        {"policy/acceptance": "evil_part:make"},
        {"settings/rewriter.use": ["evil_part:make"], "policy/rewriters": ["evil_part:make"]},
        {"settings/loop.stop_rules": "evil_part:make", "policy/stop_rules": ["evil_part:make"]},
        {"policy/acceptance": "highest", "settings/loop.acceptance": "highest"},
        {"policy/rewriters": ["llm"], "settings/rewriter.use": ["llm"]},
        {"generator/name": "evil_part:make"},
        {"critic/kind": "evil_part:make"},
    ],
)
async def test_a_run_folder_names_no_part(tmp_path: Path, changes: dict[str, object]) -> None:
    out = tmp_path / "runs"
    name = await unfinished(out, changes)
    async with opened(out, loop__target=4.0, critic__seed=1) as visitor:
        await visitor.get("/api/runs")
        await visitor.watch(name)
        answer = await visitor.post(f"/api/runs/{name}/resume", {})
        assert answer.status_code == 400
        assert "rr-refine resume" in answer.json()["error"]
    nothing_was_made()


@pytest.mark.parametrize(
    "changes",
    [
        {
            "settings/generator.use": "evil_part:make",
            "settings/critic.use": "evil_part:make",
            "settings/rewriter.use": ["evil_part:make"],
            "settings/intent.use": "evil_part:make",
            "settings/loop.stop_rules": ["evil_part:make"],
            "settings/loop.acceptance": "evil_part:make",
        },
        {  # addresses, which would be given the keys of the studio
            "settings/critic.use": "openai",
            "settings/critic.base_url": "http://127.0.0.1:9/v1",
            "settings/generator.use": "images-api",
            "settings/generator.base_url": "http://127.0.0.1:9/v1",
        },
        {"rewriters": [{"name": "evil_part:make", "kind": "evil_part:make"}]},
        {"intent_check": {"name": "evil_part:make", "kind": "evil_part:make"}},
    ],
)
async def test_settings_of_a_run_folder_make_nothing(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    """They are kept as a record; the run goes on with the studio's parts, or is refused."""
    out = tmp_path / "runs"
    name = await unfinished(out, changes)
    async with opened(out, loop__target=4.0, critic__seed=1) as visitor:
        answer = await visitor.post(f"/api/runs/{name}/resume", {})
        if "settings/generator.use" in changes:
            assert answer.status_code == 200
            told = await visitor.watch(name, until="waiting")
            assert told.states[-1]["status"] == "waiting"
        else:
            assert answer.status_code == 400
            assert "was made with another" in answer.json()["error"]
    nothing_was_made()


async def test_a_run_that_is_measured_goes_on(tmp_path: Path) -> None:
    options: dict[str, Any] = {"critic__seed": 1, "loop__target": 4.0, "evidence__use": ["ocr"]}
    async with opened(tmp_path / "runs", **options) as visitor:
        name = await visitor.begin("a red cat", review=True)
        await visitor.ask(name)
    async with opened(tmp_path / "runs", **options) as visitor:
        await visitor.post(f"/api/runs/{name}/resume", {})
        told = await visitor.watch(name, until="waiting")
        assert told.states[-1]["status"] == "waiting", told.states[-1]["problem"]


async def test_a_run_goes_on_with_parts_that_the_settings_name(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    own: dict[str, Any] = {
        "rewriter__use": ["rules"],
        "loop__acceptance": "highest",
        "loop__target": 4.0,
        "critic__seed": 1,
    }
    async with opened(out, **own) as visitor:
        name = await visitor.begin("a red cat", review=True)
        await visitor.ask(name)
    async with opened(out, **own) as visitor:
        assert (await visitor.post(f"/api/runs/{name}/resume", {})).status_code == 200
        told = await visitor.ask(name)
        await visitor.decide(name, told.states[-1]["question"], action="stop")
        await visitor.watch(name)
    assert load_run(out / name).status == "done"


@pytest.mark.parametrize("field", ["generator", "critic", "rewriters", "settings", "policy"])
async def test_a_request_names_no_part(tmp_path: Path, field: str) -> None:
    async with opened(tmp_path / "runs") as visitor:
        answer = await visitor.post("/api/runs", {"prompt": "a", field: "evil_part:make"})
        assert answer.status_code == 400
        answer = await visitor.post("/api/runs", {"prompt": "a", "preset": "evil_part:make"})
        assert answer.status_code == 400
    assert "evil_part" not in sys.modules
