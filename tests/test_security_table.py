"""The borders in SECURITY.md: cells of its table that no other test holds."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from rr_refine.agent.run import load_run
from rr_refine.agent.server import PARTS, graph
from rr_refine.errors import ConfigError
from tests.cli.test_trust import (
    FAKES,
    KEY,
    MODULE,
    change,
    imported,
    own,
    recorded,
    require_refused,
)
from tests.commands import Commands

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def here(commands: Commands) -> Commands:
    """A folder with a module that leaves a trace."""
    (commands.folder / "mark.py").write_text(MODULE)
    return commands


@pytest.mark.parametrize("layer", ["flag", "environment", "own"])
def test_the_user_says_where_keys_go(here: Commands, layer: str) -> None:
    settings = {"critic.use": "openai", "critic.model": "m", "critic.base_url": URL}
    settings["critic.api_key"] = KEY
    (here.folder / "rr-refine.toml").write_text('[critic]\nbase_url = "http://evil.invalid/v1"\n')
    flags = [f"--set={key}={value}" for key, value in settings.items()]
    if layer == "environment":
        flags = []
        for key, value in settings.items():
            here.environment["RR_REFINE_" + key.upper().replace(".", "__")] = value
    if layer == "own":
        flags = []
        own(here).write_text("".join(f'{key} = "{value}"\n' for key, value in settings.items()))
    ended = here.run("a cat", "--dry-run", "--generator=fake", *flags)
    # What is the user's own is below a project's file, whose address is refused a key.
    assert ended.code == (2 if layer == "own" else 0), ended.stderr
    (here.folder / "rr-refine.toml").unlink()
    ended = here.run("a cat", "--dry-run", "--generator=fake", *flags)
    assert (ended.code, KEY in ended.stdout + ended.stderr) == (0, False)
    assert URL in ended.stdout


def test_a_file_of_config_writes_here_or_beside_itself(here: Commands) -> None:
    there = here.folder.parent / "there"
    there.mkdir()
    for out, code in ((there / "runs", 0), (here.folder / "mine", 0), (there.parent / "x", 2)):
        (there / "my.toml").write_text(f"out = {json.dumps(str(out))}\n")
        ended = here.run("a cat", *FAKES, "--config", str(there / "my.toml"))
        assert (ended.code, out.exists()) == (code, code == 0), ended.stderr


def test_that_of_a_run_writes_beside_the_run_too(here: Commands) -> None:
    run = recorded(here)
    for out, code in ((run.parent / "more", 0), (run / "in", 0), (here.folder.parent / "x", 2)):
        change(run, "settings", out=str(out))
        home = here.folder.parent / "elsewhere"
        home.mkdir(exist_ok=True)
        visitor = Commands(home, here.environment)
        ended = visitor.run("a dog", "--config", str(run / "config.json"), "--rounds=1")
        assert (ended.code, out.exists()) == (code, code == 0), ended.stderr


MORE = {
    "go on": (),
    "say": ("--say=make it red",),
    "vary": ("--vary=1",),
    "edit": ("--edit=make it red",),
    "again": ("--again",),
    "use prompt": ("--use-prompt",),
}


@pytest.mark.parametrize("how", MORE)
def test_a_run_that_is_gone_on_from_says_no_more_than_one_that_is_resumed(
    here: Commands, how: str
) -> None:
    run = recorded(here)
    before = (run / "config.json").read_text()
    change(run, "settings", **{"critic.use": "openai", "critic.base_url": URL})
    here.environment["RR_REFINE_CRITIC__API_KEY"] = KEY
    require_refused(here, here.run("more", str(run), *MORE[how]), "critic.api_key", URL)
    (run / "config.json").write_text(before)
    change(run, "policy", stop_rules=["mark:Never"])
    require_refused(here, here.run("more", str(run), *MORE[how]), "'mark:Never'")
    (run / "config.json").write_text(before)
    change(run, "settings", private=False)
    assert here.run("more", str(run), *MORE[how]).code == 0
    for folder in run.parent.iterdir():  # a new run is for its user alone
        assert folder.stat().st_mode & 0o777 == 0o700
    if how == "again":  # unless the user says otherwise
        here.environment["RR_REFINE_PRIVATE"] = "false"
        assert here.run("more", str(run), *MORE[how]).code == 0
        assert {f.stat().st_mode & 0o777 for f in run.parent.iterdir()} == {0o700, 0o755}


@pytest.mark.parametrize("command", ["report", "replay"])
def test_a_run_folder_that_is_looked_at_chooses_nothing(here: Commands, command: str) -> None:
    """Its parts are made when it is resumed."""
    run = recorded(here)
    change(run, "settings", **{"generator.use": "mark:Generator.create", "critic.use": "nothing"})
    change(run, "policy", stop_rules=["mark:Never"])
    here.environment["RR_REFINE_CRITIC__API_KEY"] = KEY
    ended = here.run(command, str(run))
    assert "Traceback" not in ended.stderr
    assert not imported(here)
    if command == "report":
        assert ended.code == 0, ended.stderr


def test_what_is_trusted_is_for_the_user_alone_to_say(here: Commands) -> None:
    file = here.folder / "rr-refine.toml"
    file.write_text('[generator]\nuse = "mark:Generator.create"\n')
    assert here.run("a cat", "--dry-run", "--trust").code == 0
    remembered = own(here).parent / "state" / "trusted.json"
    remembered.chmod(0o622)
    ended = here.run("a cat", "--dry-run")
    assert (ended.code, imported(here)) == (2, False)
    assert "can be written by others" in ended.stderr


def test_a_client_of_the_server_gives_no_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RR_REFINE_SERVER_ROOT", str(tmp_path))
    monkeypatch.setenv(PARTS, "fake")
    served: Any = graph()
    given = {"prompt": "a cat", "preset": "one-shot", "generator": "fake", "critic": "fake"}
    final = asyncio.run(served.ainvoke(given))
    options: dict[str, Any] = {
        "settings": {"critic.base_url": URL, "critic.api_key": KEY},
        **{"parameters": {"steps": 9}, "rewriters": ["os:system"], "budget": {"rounds": 50}},
        **{"base_url": URL, "critic.base_url": URL, "private": False, "trust": True},
    }
    changed = asyncio.run(served.ainvoke({**given, "seed": 1, **options}))
    own: list[dict[str, Any]] = [{"stop_rules": ["os:system"]}, {"acceptance": "os:system"}]
    for policy in (*own, {"rewriters": ["os:system"]}, {"budget": {"rounds": 50}}):
        with pytest.raises(ConfigError, match=r"os:system|budget\.rounds"):
            asyncio.run(served.ainvoke({"prompt": "a cat", "policy": policy}))
    first, second = (load_run(run["run"]) for run in (final, changed))
    assert second.request == first.request.model_copy(update={"seed": 1})
    for part in ("policy", "settings", "generator", "critic", "rewriters"):
        assert first.config[part] == second.config[part], part
