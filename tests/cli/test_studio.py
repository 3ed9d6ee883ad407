"""`rr-refine studio` as a command: what it says, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from rr_refine.agent.run import load_run
from rr_refine.cli import cut
from rr_refine.cli.main import main
from rr_refine.generators.fake import FakeGenerator
from rr_refine.generators.generator import OnStep, RenderRequest
from tests.cli.test_signals import wait_for
from tests.commands import Commands

FAKES = ("--generator=fake", "--critic=fake")


def address(stdout: Path) -> tuple[str, dict[str, str]]:
    """Where a studio is, and the header that opens it."""
    wait_for(lambda: _text(stdout).endswith("\n"))
    url, _, token = stdout.read_text().strip().partition("?token=")
    return url, {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_opens_and_closes(commands: Commands, number: int) -> None:
    stdout = commands.folder / "stdout"
    with commands.start("studio", "--port=0", *FAKES, stdout=stdout) as going:
        url, bearer = address(stdout)
        assert url.startswith("http://127.0.0.1:")
        assert httpx2.get(f"{url}api/studio").status_code == 401
        told = httpx2.get(f"{url}api/studio", headers=bearer).json()
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
        url, bearer = address(stdout)
        begun = httpx2.post(
            f"{url}api/runs",
            json={"prompt": "a cat", "preset": "one-shot", "review": review},
            headers=bearer,
        )
        run = commands.folder / "runs" / begun.json()["name"]
        wait_for(lambda: "round-started" in _text(run / "events.jsonl"))
        going.send(signal.SIGINT)
        assert going.wait().code == 130
    assert load_run(run).status == "interrupted"
    ended = commands.run("resume", str(run))
    assert ended.code == 0, ended.stderr
    assert load_run(run).status == "done"


def test_ctrl_c_with_everything_open(commands: Commands) -> None:
    """A run at work, one that waits for a decision, pages that follow them without reading, half an
    upload, half a request: it ends at once, says one line, and all runs can go on.
    """
    stdout = commands.folder / "stdout"
    more = ("--set=generator.steps=1", "--set=loop.target=4", "--set=critic.seed=1")
    with (
        ExitStack() as held,
        commands.start("studio", "--port=0", *FAKES, *more, stdout=stdout) as going,
    ):
        url, bearer = address(stdout)
        where = url.removeprefix("http://").rstrip("/")
        host, _, port = where.partition(":")
        runs = []
        for _ in range(3):
            form = {"prompt": "a cat", "review": True}
            begun = httpx2.post(f"{url}api/runs", json=form, headers=bearer)
            runs.append(commands.folder / "runs" / begun.json()["name"])
        head = f"Host: {where}\r\nAuthorization: {bearer['Authorization']}\r\n"
        body = "Content-Type: application/json\r\nContent-Length: 5000000\r\n\r\n{"
        for text in (
            *(f"GET /api/runs/{run.name}/events HTTP/1.1\r\n{head}\r\n" for run in runs),
            f"POST /api/runs HTTP/1.1\r\n{head}{body}",
            f"POST /api/runs/{runs[0].name}/decision HTTP/1.1\r\n{head}{body}",
            f"GET / HTTP/1.1\r\n{head}",
            "",
        ):
            client = held.enter_context(socket.create_connection((host, int(port))))
            client.sendall(text.encode())
        wait_for(lambda: all("review-requested" in _text(run / "events.jsonl") for run in runs))
        going.send(signal.SIGINT)
        start = time.monotonic()
        ended = going.wait()
        assert time.monotonic() - start < 20
    assert ended.code == 130
    assert ended.stderr.splitlines()[-1] == "stopped; unfinished runs can go on the next time"
    assert "Traceback" not in ended.stderr
    assert "Exception" not in ended.stderr
    token = bearer["Authorization"].removeprefix("Bearer ")
    assert token not in ended.stderr
    for run in runs:
        assert load_run(run).status == "interrupted"
        for path in run.rglob("*"):
            assert path.is_dir() or token.encode() not in path.read_bytes()


class Deaf(FakeGenerator):
    """One that never ends, whoever asks for it."""

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)


def in_a_hurry(arguments: list[str]) -> None:
    """The command line, which cuts off sooner."""
    pytest.MonkeyPatch().setattr(cut, "_SECONDS", 2.0)
    main(arguments)


def test_a_part_that_takes_no_notice_is_cut_off(commands: Commands) -> None:
    stdout = commands.folder / "stdout"
    parts = (f"--generator={__name__}:Deaf", "--critic=fake")
    program = f"{__name__}:in_a_hurry"
    with commands.start("studio", "--port=0", *parts, stdout=stdout, program=program) as going:
        url, bearer = address(stdout)
        begun = httpx2.post(f"{url}api/runs", json={"prompt": "a cat"}, headers=bearer)
        run = commands.folder / "runs" / begun.json()["name"]
        wait_for(lambda: "round-started" in _text(run / "events.jsonl"))
        going.send(signal.SIGINT)
        ended = going.wait()
    assert ended.code == 130
    assert ended.stderr.splitlines()[-1].startswith("cut off: it did not end within 2 s;")
    assert load_run(run, trust=True).status == "running"


def test_the_token_is_in_no_process_list(commands: Commands) -> None:
    stdout = commands.folder / "stdout"
    with commands.start("studio", "--port=0", *FAKES, stdout=stdout) as going:
        _, bearer = address(stdout)
        token = bearer["Authorization"].removeprefix("Bearer ").encode()
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                assert token not in process.read_bytes()
        going.send(signal.SIGINT)
        going.wait()


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("by", ["environment", "file"])
def test_a_token_of_ones_own_is_never_shown(commands: Commands, by: str) -> None:
    more = []
    if by == "file":
        (commands.folder / "token.txt").write_text("correct-horse-battery\n")
        (commands.folder / "token.txt").chmod(0o640)
        more = ["--token-file=token.txt"]
        commands.environment["RR_REFINE_STUDIO__TOKEN"] = "another-horse-battery"
    else:
        commands.environment["RR_REFINE_STUDIO__TOKEN"] = "correct-horse-battery"
    stdout = commands.folder / "stdout"
    where = ("--port=0", "--host=0.0.0.0")
    with commands.start("studio", *where, *FAKES, *more, stdout=stdout) as going:
        url = address(stdout)[0].replace("0.0.0.0", "127.0.0.1")
        assert httpx2.get(url).status_code == 401
        bearer = {"Authorization": "Bearer correct-horse-battery"}
        assert httpx2.get(url, headers=bearer).status_code == 200
        going.send(signal.SIGINT)
        ended = going.wait()
    assert "horse" not in ended.stdout + ended.stderr
    assert ("note: others can read token.txt" in ended.stderr) == (by == "file")
    assert "?token=" in ended.stderr
    shown = commands.run("config", "show")
    assert "horse" not in shown.stdout + shown.stderr


def test_the_browser_is_opened_by_a_file_that_nobody_else_can_read(commands: Commands) -> None:
    """A process list shows how the browser was started: with the file's path."""
    seen, stdout = commands.folder / "seen", commands.folder / "stdout"
    browser = commands.folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}.new && mv {seen}.new {seen}\n')
    browser.chmod(0o700)
    commands.environment["BROWSER"] = f"{browser} %s"
    with commands.start("studio", "--port=0", "--open", *FAKES, stdout=stdout) as going:
        url, bearer = address(stdout)
        wait_for(seen.exists)
        token = bearer["Authorization"].removeprefix("Bearer ")
        given = seen.read_text().strip()
        assert given.startswith("file:///")
        assert token not in given
        page = Path(given.removeprefix("file://"))
        assert f"{url}?token={token}" in page.read_text()
        assert page.parent.stat().st_mode & 0o077 == 0
        going.send(signal.SIGINT)
        going.wait()
    assert not page.parent.exists()


def test_each_start_has_another_token(commands: Commands) -> None:
    tokens = set()
    for number in range(2):
        stdout = commands.folder / f"stdout{number}"
        with commands.start("studio", "--port=0", *FAKES, stdout=stdout) as going:
            tokens.add(address(stdout)[1]["Authorization"])
            going.send(signal.SIGINT)
            assert going.wait().code == 130
    assert len(tokens) == 2
    assert all(len(token) > 40 for token in tokens)


def test_without_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = lambda name: None if name == "starlette" else find_spec(name)  # noqa: E731
    monkeypatch.setattr("rr_refine.cli.studio.find_spec", missing)
    with pytest.raises(SystemExit, match="2"):
        main(["studio", "--port=0", *FAKES])
    assert "pip install 'rr-refine[studio]'" in capsys.readouterr().err
