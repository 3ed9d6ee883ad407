"""A path that somebody named and that is a pipe or a device: refused at once, and in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.commands import Commands

FAKES = ("--generator=fake", "--critic=fake", "--rounds=1")
COMMANDS = {
    "config": ("a cat", *FAKES, "--config=FILE.toml"),
    "config in JSON": ("a cat", *FAKES, "--config=FILE.json"),
    "image": ("make it red", *FAKES, "--image=FILE.png"),
    "recipe of sft": ("parrot", "sft", "FILE.toml"),
    "parrot": ("parrot", "run", ".", "--config=FILE.toml"),
    "template": ("critic", "import-template", "FILE.md"),
    "evaluation": ("parrot", "ingest", "editreward", ".", "there", "--evaluation=FILE.jsonl"),
    "pairs": ("bench", "preference", "mmrb2", "--data=FILE.json", "--out=there", *FAKES[1:2]),
    "token": ("studio", "--port=0", "--token-file=FILE.txt", *FAKES[:2]),
    "workflow": ("a cat", "--generator=comfyui", "--set=generator.workflow=FILE.json", *FAKES[1:]),
    "critic's template": (
        "a cat",
        *FAKES[:1],
        "--critic=openai",
        "--set=critic.template=FILE.json",
        "--set=critic.base_url=http://127.0.0.1:1/v1",
    ),
}


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop"])
@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_refused(commands: Commands, command: str, kind: str) -> None:
    arguments = COMMANDS[command]
    (named,) = (a for a in arguments if "FILE" in a)
    file = commands.folder / named.rpartition("=")[2]
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "device":
            file.symlink_to("/dev/zero")
        case "loop":
            file.symlink_to(file)
        case _:
            file.mkdir()
    ended = commands.run(*arguments)
    assert ended.code in (1, 2), ended
    assert ended.stderr.splitlines()[-1].startswith("error: "), ended.stderr
    assert "Traceback" not in ended.stderr
    assert Path(file).name in ended.stderr


LONG = "x" * 6000
NAMED = {
    "out": ("a cat", *FAKES, "--out"),
    "out of a dry run": ("a cat", *FAKES, "--dry-run", "--out"),
    "out of the studio": ("studio", *FAKES[:2], "--port=0", "--out"),
    "out of a benchmark": ("bench", "sketch", "--limit=1", "--out"),
    "resume": ("resume",),
    "replay": ("replay",),
    "report": ("report",),
    "list": ("bench", "list"),
    "data": ("bench", "gedit", "--out=there", "--data"),
}


@pytest.mark.parametrize("long", [LONG, "x/" * 3000], ids=["name", "path"])
@pytest.mark.parametrize("command", NAMED)
def test_a_name_that_is_too_long(commands: Commands, command: str, long: str) -> None:
    ended = commands.run(*NAMED[command], long)
    assert ended.code == 2, ended
    line = ended.stderr.splitlines()[-1]
    assert line.startswith("error: File name too long") and len(line) < 200
    assert "Traceback" not in ended.stderr


def test_doctor_finds_one_too(commands: Commands) -> None:
    ended = commands.run("doctor", *FAKES[:2], "--set", f"out={LONG}")
    assert ended.code == 1
    assert "File name too long" in ended.stdout.splitlines()[-1]


def test_a_file_behind_a_link_is_read(commands: Commands) -> None:
    (commands.folder / "there.toml").write_text('preset = "none"\n')
    (commands.folder / "here.toml").symlink_to("there.toml")
    ended = commands.run("a cat", "--config=here.toml")
    assert "unknown preset 'none'" in ended.stderr


def test_a_large_file_is_no_settings(commands: Commands) -> None:
    with (commands.folder / "large.toml").open("wb") as file:
        file.truncate(2**34)
    ended = commands.run("a cat", "--config=large.toml")
    assert (ended.code, "larger than 1,000,000 bytes" in ended.stderr) == (2, True)
