"""Where things are written that nobody named a place for: in the folder that one is in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import rr_refine
from rr_refine.agent.server import graph
from rr_refine.errors import ConfigError, StoreError
from tests.commands import Commands

FAKES = ("--generator=fake", "--critic=fake", "--rounds=1")
RUN = ("a cat", *FAKES)
DEFAULTS = {
    "run": (RUN, "runs"),
    "dry run": ((*RUN, "--dry-run"), "runs"),
    "studio": (("studio", "--port=0"), "runs"),
    "bench": (("bench", "sketch", "--limit=1"), "runs"),
    "bench's own": (("bench", "sketch", "--limit=1"), "runs/bench-sketch"),
    "recipe": (("parrot", "sft", "sketch"), "sketch"),
}
"""A command, and the folder that it makes where it is told none."""


@pytest.fixture
def neighbour(commands: Commands) -> Path:
    """A folder elsewhere."""
    path = commands.folder.parent / "neighbour"
    path.mkdir()
    return path


def link(commands: Commands, name: str, target: Path) -> None:
    path = commands.folder / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize("command", DEFAULTS)
def test_a_link_in_the_place_of_a_default_is_not_followed(
    commands: Commands, neighbour: Path, command: str
) -> None:
    arguments, name = DEFAULTS[command]
    link(commands, name, neighbour)
    ended = commands.run(*arguments)
    assert ended.code == 2, ended.stderr
    assert f"leads to '{neighbour}" in ended.stderr
    assert "--out" in ended.stderr
    assert list(neighbour.iterdir()) == []


@pytest.mark.parametrize("source", ["environment", "own file", "project's file"])
def test_nor_in_that_of_a_name_in_a_setting(
    commands: Commands, neighbour: Path, source: str
) -> None:
    link(commands, "pictures", neighbour)
    own = Path(commands.environment["HOME"], ".rr-refine", "settings.toml")
    match source:
        case "environment":
            commands.environment["RR_REFINE_OUT"] = "pictures"
        case "own file":
            own.parent.mkdir(exist_ok=True, mode=0o700)
            own.write_text('out = "pictures"\n')
            own.chmod(0o600)
        case _:
            (commands.folder / "rr-refine.toml").write_text('out = "pictures"\n')
    assert commands.run(*RUN).code == 2
    assert list(neighbour.iterdir()) == []


@pytest.mark.parametrize("way", ["flag", "set", "whole path", "beside", "inside"])
def test_what_the_user_names_is_followed(commands: Commands, neighbour: Path, way: str) -> None:
    more: tuple[str, ...] = ()
    match way:
        case "flag":
            link(commands, "runs", neighbour)
            more = ("--out=runs",)
        case "set":
            link(commands, "runs", neighbour)
            more = ("--set=out=runs",)
        case "whole path":
            link(commands, "pictures", neighbour)
            commands.environment["RR_REFINE_OUT"] = str(commands.folder / "pictures")
        case "beside":
            commands.environment["RR_REFINE_OUT"] = "../neighbour"
        case _:
            neighbour = commands.folder / "data"
            neighbour.mkdir()
            link(commands, "runs", neighbour)
    ended = commands.run(*RUN, *more)
    assert ended.code == 0, ended.stderr
    assert len(list(neighbour.iterdir())) == 1


def test_doctor_says_so(commands: Commands, neighbour: Path) -> None:
    link(commands, "runs", neighbour)
    ended = commands.run("doctor", *FAKES[:2])
    assert f"leads to {str(neighbour)!r}" in ended.stdout + ended.stderr


def test_a_run_does_not_go_on_in_a_link(commands: Commands, neighbour: Path) -> None:
    """Of an unfinished run that has the same digits as the next one would have."""
    assert commands.run(*RUN).code == 0
    (made,) = (commands.folder / "runs").iterdir()
    manifest = made / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"done"', '"interrupted"'))
    moved = neighbour / made.name
    made.rename(moved)
    made.symlink_to(moved)
    before = {p: p.read_bytes() for p in moved.rglob("*") if p.is_file()}
    assert commands.run(*RUN).code == 0
    assert {p: p.read_bytes() for p in moved.rglob("*") if p.is_file()} == before


def test_a_program_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, neighbour = tmp_path / "here", tmp_path / "neighbour"
    here.mkdir()
    neighbour.mkdir()
    (here / "runs").symlink_to(neighbour)
    monkeypatch.chdir(here)
    with pytest.raises(ConfigError, match="by a link"):
        rr_refine.refine("a cat", generator="fake", critic="fake")
    with pytest.raises(ConfigError, match="by a link"):
        asyncio.run(graph().ainvoke({"prompt": "a cat"}))
    (here / "mine").mkdir()
    (here / "mine" / "one").symlink_to(neighbour)
    with pytest.raises(StoreError, match="is a link"):
        rr_refine.refine("a cat", generator="fake", critic="fake", out="mine", run_id="one")
    assert list(neighbour.iterdir()) == []
    rr_refine.refine("a cat", generator="fake", critic="fake", out="runs")
    assert len(list(neighbour.iterdir())) == 1


def test_a_recipe_from_elsewhere_writes_in_this_folder(commands: Commands, neighbour: Path) -> None:
    text = f'model = "m"\ndata = [{{file = "x.jsonl"}}]\nout = "{neighbour}"\n'
    (commands.folder / "recipe.toml").write_text(text)
    ended = commands.run("parrot", "sft", "recipe.toml")
    assert (ended.code, "--trust" in ended.stderr) == (2, True), ended.stderr
    assert "--trust" not in commands.run("parrot", "sft", "recipe.toml", "--out=o").stderr
    assert "--trust" not in commands.run("parrot", "sft", "recipe.toml", "--trust").stderr
