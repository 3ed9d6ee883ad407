"""Addresses of stores are no folders, and `~` is a home: at every place that takes a folder."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rr_refine import arefine, go_on, load_run, make_job, refine, run_context
from rr_refine.agent.server import ServerInput, graph
from rr_refine.agent.store.folder import RunFolder
from rr_refine.cli.layers import from_environment, place_workflow
from rr_refine.errors import ConfigError
from rr_refine.files import make_folder
from rr_refine.named import allow_pictures, folder_here, require_path
from rr_refine.reward.model_hub import is_cached
from rr_refine.reward.template import load_template
from rr_refine.reward.vllm_command import find_vllm
from rr_refine.training.parrot.recipe import load_recipe
from tests.commands import Commands

FAKES = ("--generator=fake", "--critic=fake", "--rounds=1")
ADDRESSES = (
    "s3://bucket/runs",
    "s3:/bucket/runs",  # as a Path writes it
    "s3:",
    "gs://bucket",
    "memory://",
    "abfss://container@account.dfs.core.windows.net/runs",
    "simplecache::s3://bucket/runs",
    "https://example.com/runs",
    "file:///tmp/runs",
)
PATHS = ("runs", "runs/s3-copy", "10:30/runs", "a:b", "/tmp/x", "~older", "")
DOORS = {
    "run": ("a cat", *FAKES, "--out"),
    "setting": ("a cat", *FAKES, "--set", "out="),
    "dry run": ("a cat", *FAKES, "--dry-run", "--out"),
    "studio": ("studio", "--port=0", "--out"),
    "report": ("report", "runs", "--out"),
    "bench": ("bench", "sketch", "--limit=1", "--out"),
    "bench report": ("bench", "report", "a", "b", "--out"),
    "bench judge": ("bench", "judge", "a", "--out"),
    "bench preference": ("bench", "preference", "hpdv3", "--data=x", "--out"),
    "parrot": ("parrot", "ingest", "hpdv3", "x.json", ""),
    "parrot sft": ("parrot", "sft", "sketch", "--out"),
    "train sketch": ("train", "sketch", "--quick", "--out"),
    "train nft": ("train", "nft", "--recipe=sketch-mean", "--out"),
    "resume": ("resume", ""),
}
"""Commands, up to the folder."""


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_no_path(address: str) -> None:
    for given in (address, Path(address)):
        with pytest.raises(ConfigError, match="address"):
            require_path(given)


@pytest.mark.parametrize("path", PATHS)
def test_what_only_looks_like_one_is(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("~older").mkdir()
    assert require_path(path) == Path(path)


@pytest.mark.parametrize("door", DOORS)
def test_a_command_refuses_it_and_makes_nothing(commands: Commands, door: str) -> None:
    *before, last = DOORS[door]
    address = "s3://bucket/runs"
    here = [*before, f"{last}{address}"] if last in ("out=", "") else [*before, last, address]
    ended = commands.run(*here)
    assert ended.code == 2, ended.stderr
    assert "'s3://bucket/runs' is the address of a store" in ended.stderr
    assert "mounted" in ended.stderr
    assert list(commands.folder.iterdir()) == []


@pytest.mark.parametrize("source", ["environment", "file", "recipe"])
def test_so_do_settings(commands: Commands, source: str) -> None:
    if source == "recipe":
        recipe = commands.folder / "own.toml"
        recipe.write_text('model = "m"\nout = "s3://bucket/x"\ndata = [{file = "rows.jsonl"}]\n')
        ended = commands.run("parrot", "sft", "own.toml", "--trust")
    else:
        if source == "environment":
            commands.environment["RR_REFINE_OUT"] = "s3://bucket/x"
        else:
            (commands.folder / "rr-refine.toml").write_text('out = "s3://bucket/x"\n')
        ended = commands.run("a cat", *FAKES)
    assert ended.code == 2
    assert "'s3://bucket/x' is the address of a store" in ended.stderr
    assert not list(commands.folder.glob("s3*"))


async def opened(out: str) -> None:
    async with run_context(make_job("a cat", generator="fake", critic="fake"), out):
        raise AssertionError("it was opened")


def test_so_do_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    address = "memory://runs"
    with pytest.raises(ConfigError, match="address of a store"):
        refine("a cat", generator="fake", critic="fake", out=address)
    with pytest.raises(ConfigError, match="address of a store"):
        asyncio.run(opened(address))
    for call in (load_run, RunFolder, folder_here):
        with pytest.raises(ConfigError, match="address of a store"):
            call(address)
    monkeypatch.setenv("RR_REFINE_SERVER_ROOT", str(tmp_path))
    inputs: list[ServerInput] = [
        {"prompt": "a cat", "out": "s3://bucket/x"},
        {"prompt": "a cat", "image": "s3://bucket/x"},
    ]
    for given in inputs:
        with pytest.raises(ConfigError, match="address of a store"):
            asyncio.run(graph().ainvoke(given))
    with pytest.raises(ConfigError, match="address of a store"):
        load_recipe("sketch", {"out": "gs://bucket"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["s3:/bucket", "inner/s3:/bucket", "gs:"])
def test_no_folder_is_ever_called_so(path: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="address of a store"):
        make_folder(tmp_path / path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("door", ["setting", "flag", "environment", "own file", "program"])
def test_a_home_is_expanded(commands: Commands, door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(commands.environment["HOME"])
    match door:
        case "setting":
            ended = commands.run("a cat", *FAKES, "--set", "out=~/x")
        case "flag":
            ended = commands.run("a cat", *FAKES, "--out=~/x")
        case "environment":
            commands.environment["RR_REFINE_OUT"] = "~/x"
            ended = commands.run("a cat", *FAKES)
        case "own file":
            own = home / ".rr-refine" / "settings.toml"
            own.parent.mkdir(mode=0o700)
            own.write_text('out = "~/x"\n')
            own.chmod(0o600)
            ended = commands.run("a cat", *FAKES)
            shutil.rmtree(own.parent)
        case _:
            monkeypatch.chdir(commands.folder)
            monkeypatch.setenv("HOME", str(home))
            run = refine("a cat", generator="fake", critic="fake", out="~/x")
            assert load_run(f"~/x/{run.path.name}").path == run.path
    assert door == "program" or ended.code == 0, ended.stderr
    assert [path.name for path in home.iterdir()] == ["x"]
    assert list(commands.folder.iterdir()) == []


def test_a_project_file_names_no_home(commands: Commands) -> None:
    (commands.folder / "rr-refine.toml").write_text('out = "~/x"\n')
    ended = commands.run("a cat", *FAKES)
    assert ended.code == 2
    assert "outside of this folder" in ended.stderr
    assert list(Path(commands.environment["HOME"]).iterdir()) == []


def test_a_home_of_nobody_is_refused(commands: Commands) -> None:
    ended = commands.run("a cat", *FAKES, "--out=~nobody-of-this-name/x")
    assert ended.code == 2
    assert "home folder that is not known" in ended.stderr
    assert list(commands.folder.iterdir()) == []


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x", "~no\0body/x"])
def test_so_is_it_at_every_other_door(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    doors: tuple[Callable[[], object], ...] = (
        lambda: allow_pictures([path]),
        lambda: list(from_environment({"RR_REFINE_GENERATOR__WORKFLOW": path})),
        lambda: place_workflow({"generator.workflow": path}, tmp_path),
        lambda: load_template(path),
        lambda: find_vllm(path),
        lambda: is_cached("owner/model", {"HF_HOME": path}),
    )
    for door in doors:
        with pytest.raises(ConfigError, match="home folder that is not known"):
            door()


async def test_a_copy_is_as_good_as_the_run(tmp_path: Path) -> None:
    """As one that comes back from a store: other places, without permissions and lock."""
    here = tmp_path / "here"
    run = await arefine("a cat", rounds=2, generator="fake", critic="fake", out=here)
    there = tmp_path / "there" / run.path.name
    ignored = shutil.ignore_patterns(".lock")
    shutil.copytree(run.path, there, copy_function=shutil.copyfile, ignore=ignored)
    shutil.rmtree(here)
    copy = load_run(there)
    assert copy.result_path == there / "result.png"
    assert [one.mean for one in copy.candidates] == [one.mean for one in run.candidates]
    more = await arefine(go_on(copy, "a red cat"), generator="fake", critic="fake")
    assert more.path == there
    assert len(more.candidates) > len(run.candidates)
