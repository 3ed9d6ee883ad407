"""Folders that a command is to write in, and that hold things of somebody else."""

from __future__ import annotations

import json

import pytest

from tests.cli.test_bench_preference import JUDGES, lay
from tests.commands import Commands

SKETCH = ("bench", "sketch", "--generator=fake", "--critic=fake", "--limit=1", "--arm=one-shot")
COMMANDS = {
    "bench": (*SKETCH, "--out=site"),
    "bench that goes on": (*SKETCH, "--out=site", "--resume"),
    "report": ("bench", "report", "one", "--out=site"),
    "judge": ("bench", "judge", "one", "--out=site", "--judge=fake"),
    "preference": (
        *("bench", "preference", "mmrb2", "--data=t2i.parquet", "--out=site"),
        f"--critic={JUDGES}:Right",
    ),
    "parrot": ("parrot", "ingest", "hpdv3", "there.json", "site"),
    "train sketch": ("train", "sketch", "--quick", "--out=site"),
    "train nft": ("train", "nft", "--recipe=sketch", "--out=site"),
    "parrot sft": ("parrot", "sft", "sketch", "--model=.", "--out=site", "--data=x.jsonl"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_of_theirs_is_replaced(commands: Commands, command: str) -> None:
    if command in ("report", "judge"):
        assert commands.run(*SKETCH, "--out=one").code == 0
    if command == "preference":
        lay(commands)
    (commands.folder / "x.jsonl").write_text("")
    site = commands.folder / "site"
    site.mkdir()
    theirs = {"index.html": "my site", "results.csv": "1,2", "table.md": "# mine"}
    for name, text in theirs.items():
        (site / name).write_text(text)
    ended = commands.run(*COMMANDS[command])
    assert ended.code == 2, ended.stderr
    assert "'site' holds other files, such as 'index.html'" in " ".join(ended.stderr.split())
    assert {path.name: path.read_text() for path in site.iterdir()} == theirs


def test_ones_own_is_gone_on_with(commands: Commands) -> None:
    (commands.folder / "one").mkdir()  # an empty one is as good as none
    assert commands.run(*SKETCH, "--out=one").code == 0
    assert commands.run(*SKETCH, "--out=one", "--resume").code == 0
    for _ in range(2):
        assert commands.run("bench", "report", "one", "--out=all").code == 0
    runs = json.loads((commands.folder / "one" / "results.json").read_text())
    own = commands.run("bench", "report", "one", "--out=one")
    assert own.code == 2
    assert "'one' holds a benchmark with a report of its own" in own.stderr
    assert json.loads((commands.folder / "one" / "results.json").read_text()) == runs
