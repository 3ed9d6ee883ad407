"""`rr-refine studio` as a command: what it says, and how it ends."""

from __future__ import annotations

import signal
from importlib.util import find_spec
from pathlib import Path

import httpx2
import pytest

from rr_refine.agent.run import load_run
from rr_refine.cli.main import main
from tests.cli.test_signals import wait_for
from tests.commands import Commands

FAKES = ("--generator=fake", "--critic=fake")


def address(stdout: Path) -> str:
    wait_for(lambda: _text(stdout).endswith("\n"))
    return stdout.read_text().strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_opens_and_closes(commands: Commands, number: int) -> None:
    stdout = commands.folder / "stdout"
    with commands.start("studio", "--port=0", *FAKES, stdout=stdout) as going:
        url = address(stdout)
        assert url.startswith("http://127.0.0.1:")
        told = httpx2.get(f"{url}api/studio").json()
        assert told["models"]["generator"] == "fake"
        going.send(number)
        ended = going.wait()
    assert ended.code == 130
    assert "stand-in" in ended.stderr
    assert ended.stderr.splitlines()[-1] == "stopped; unfinished runs can go on the next time"
    assert not (commands.folder / "runs").exists()


@pytest.mark.parametrize("review", [False, True])
def test_a_run_that_was_at_work_goes_on_at_the_terminal(commands: Commands, review: bool) -> None:
    stdout = commands.folder / "stdout"
    more = ("--set=generator.seconds=1.5", "--set=generator.width=48", "--set=generator.height=48")
    with commands.start("studio", "--port=0", *FAKES, *more, stdout=stdout) as going:
        url = address(stdout)
        begun = httpx2.post(
            f"{url}api/runs",
            json={"prompt": "a cat", "preset": "one-shot", "review": review},
            headers={"Origin": url.rstrip("/")},
        )
        run = commands.folder / "runs" / begun.json()["name"]
        wait_for(lambda: "round-started" in _text(run / "events.jsonl"))
        going.send(signal.SIGINT)
        assert going.wait().code == 130
    assert load_run(run).status == "interrupted"
    ended = commands.run("resume", str(run))
    assert ended.code == 0, ended.stderr
    assert load_run(run).status == "done"


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_the_token_comes_from_the_environment(commands: Commands) -> None:
    commands.environment["RR_REFINE_STUDIO__TOKEN"] = "correct-horse-battery"
    stdout = commands.folder / "stdout"
    with commands.start("studio", "--port=0", "--host=0.0.0.0", *FAKES, stdout=stdout) as going:
        url = address(stdout).replace("0.0.0.0", "127.0.0.1")
        assert httpx2.get(url).status_code == 401
        bearer = {"Authorization": "Bearer correct-horse-battery"}
        assert httpx2.get(url, headers=bearer).status_code == 200
        going.send(signal.SIGINT)
        ended = going.wait()
    assert "correct-horse" not in ended.stdout + ended.stderr
    shown = commands.run("config", "show")
    assert "correct-horse" not in shown.stdout + shown.stderr


def test_without_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = lambda name: None if name == "starlette" else find_spec(name)  # noqa: E731
    monkeypatch.setattr("rr_refine.cli.studio.find_spec", missing)
    with pytest.raises(SystemExit, match="2"):
        main(["studio", "--port=0", *FAKES])
    assert "pip install 'rr-refine[studio]'" in capsys.readouterr().err
