"""Ctrl-C, SIGTERM and closed pipes: the best so far is the result, and the run goes on later."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rr_refine.agent.events import read_event
from rr_refine.agent.run import load_run
from tests.agent.records import items, lines, only_run
from tests.commands import Commands, Ended, Going

SMALL = ("--generator=fake", "--set=generator.width=48", "--set=generator.height=32")
REQUEST = (
    *("three red hats", *SMALL, "--set=budget.rounds=2"),
    *("--set=critic.seed=1", "--set=loop.target=4.0", "--set=generator.log=log"),
)
HANGS = ("--set", 'generator.script=["ok", "hang"]')


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def wait_for_render(commands: Commands, number: int) -> None:
    def begun() -> bool:
        return len(lines(commands.folder / "log")) == 2 * number - 1

    wait_for(begun)


def interrupt(going: Going, number: signal.Signals = signal.SIGINT) -> Ended:
    going.send(number)
    return going.wait()


def require_calm(ended: Ended) -> None:
    assert ended.code == 130
    assert "Traceback" not in ended.stderr
    assert "never" not in ended.stderr  # "… was never retrieved", "… was never awaited"


def test_ctrl_c_in_a_render_of_round_2(commands: Commands) -> None:
    with commands.start(*REQUEST, *HANGS) as going:
        wait_for_render(commands, 2)
        ended = interrupt(going)
    require_calm(ended)
    folder = only_run(commands.folder / "runs")
    inside = folder.relative_to(commands.folder)
    assert ended.stdout.splitlines() == [str(inside / "result.png"), str(inside)]
    assert ended.stderr.splitlines()[-2:] == [
        f"not finished; go on with: rr-refine resume {inside} --trust  "
        "(it names code, a log, or where a key goes)",
        "interrupted",
    ]
    run = load_run(folder)
    assert run.status == "interrupted"
    assert run.best is not None
    assert run.best.id == "r0c0"

    resumed = commands.run("resume", str(inside), "--trust")
    assert resumed.code == 0
    assert load_run(folder).status == "done"
    prompts = [
        line["prompt"] for line in lines(commands.folder / "log") if line["event"] == "start"
    ]
    assert prompts.count("three red hats") == 1


def test_ctrl_c_with_json(commands: Commands) -> None:
    with commands.start(*REQUEST, *HANGS, "--json") as going:
        wait_for_render(commands, 2)
        ended = interrupt(going)
    require_calm(ended)
    events = [read_event(line) for line in ended.stdout.splitlines()]
    # What was told last may still have been on its way when the signal came.
    assert [e.type for e in events][-1] in ("rewritten", "round-started")


def test_sigterm_ends_after_the_step(commands: Commands) -> None:
    with commands.start(*REQUEST, "--set=generator.seconds=0.4") as going:
        wait_for_render(commands, 2)
        ended = interrupt(going, signal.SIGTERM)
    require_calm(ended)
    folder = only_run(commands.folder / "runs")
    kinds = [kind for kind, _, _ in items(folder)]
    assert (kinds.count("render"), kinds.count("critique")) == (2, 1)
    assert load_run(folder).status == "interrupted"
    assert "not finished" in ended.stderr
    assert commands.run("resume", str(folder), "--trust").code == 0
    assert len(lines(commands.folder / "log")) == 2 * 2


COMPONENTS = """
import asyncio, os, signal
from rr_refine.generators.fake import FakeGenerator
from rr_refine.generators.fake import create as fake

class Stubborn(FakeGenerator):
    async def generate(self, request, *, on_step=None):
        open("begun", "w").close()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            open("asked", "w").close()
            await asyncio.sleep(60)

class Connecting(FakeGenerator):
    async def connect(self):
        os.kill(os.getpid(), getattr(signal, os.environ["SIGNAL"]))
        await asyncio.sleep(0.1)

def create(**options):
    os.kill(os.getpid(), signal.SIGINT)
    return fake(**options)
"""


def test_a_second_ctrl_c_ends_what_the_first_did_not(commands: Commands) -> None:
    (commands.folder / "mine.py").write_text(COMPONENTS)
    with commands.start("a cat", "--generator", "mine:Stubborn") as going:
        wait_for((commands.folder / "begun").exists)
        going.send(signal.SIGINT)
        wait_for((commands.folder / "asked").exists)
        ended = interrupt(going)
    require_calm(ended)
    folder = only_run(commands.folder / "runs")
    assert load_run(folder, trust=True).status == "interrupted"
    assert ended.stdout.splitlines() == [str(folder.relative_to(commands.folder))]


@pytest.mark.parametrize("generator", ["mine:create", "mine:Connecting"])
def test_ctrl_c_before_anything_has_begun(commands: Commands, generator: str) -> None:
    (commands.folder / "mine.py").write_text(COMPONENTS)
    commands.environment["SIGNAL"] = "SIGINT"
    ended = commands.run("a cat", "--generator", generator)
    require_calm(ended)
    assert ended.stdout == ""
    assert not (commands.folder / "runs").exists()


def test_sigterm_before_anything_has_begun(commands: Commands) -> None:
    (commands.folder / "mine.py").write_text(COMPONENTS)
    commands.environment["SIGNAL"] = "SIGTERM"
    ended = commands.run("a cat", "--generator", "mine:Connecting")
    require_calm(ended)
    assert not items(only_run(commands.folder / "runs"))


@pytest.mark.parametrize(
    ("flag", "both", "read", "left"),
    [
        ("--json", False, 0, "interrupted"),
        ("--json", False, 1, "interrupted"),
        ("--json", True, 3, "interrupted"),
        ("--auto", True, 1, "interrupted"),
        ("--auto", False, 0, "done"),  # only the paths at the end found nobody
    ],
)
def test_a_reader_that_goes_away(
    commands: Commands, flag: str, both: bool, read: int, left: str
) -> None:
    """`| head -1`, with `2>&1` and without."""
    pipe = commands.folder / "pipe"
    os.mkfifo(pipe)
    slowly = "--set=generator.seconds=0.3"
    with commands.start(
        *REQUEST, slowly, flag, stdout=pipe, stderr=pipe if both else None
    ) as going:
        with pipe.open() as reader:
            for _ in range(read):
                assert reader.readline()
        ended = going.wait()
    assert ended.code == 1
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    folder = only_run(commands.folder / "runs")
    assert load_run(folder).status == left
    assert commands.run("resume", str(folder), "--trust").code == 0


def test_in_a_real_shell(tmp_path: Path) -> None:
    program = "from rr_refine.cli.main import main; main()"
    command = f'{sys.executable} -c "{program}" "a cat" --json {" ".join(SMALL)} | head -1'
    ended = subprocess.run(
        command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(ended.stdout)["type"] == "run-started"
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr.startswith("note: ")
    assert len(ended.stderr.splitlines()) == 1


def test_ctrl_c_in_the_first_judgement_leaves_the_first_image(commands: Commands) -> None:
    slow = ("--set", "critic.seconds=30")
    with commands.start(*REQUEST, *slow) as going:
        wait_for(lambda: list(commands.folder.glob("runs/*/result.png")))
        ended = interrupt(going)
    require_calm(ended)
    assert ended.stdout.splitlines()[0].endswith("result.png")
