"""Runs with a stand-in for a ComfyUI server, by the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from rr_refine.agent.run import load_run
from tests.agent.records import only_run
from tests.commands import Commands
from tests.generators.comfyui.standin import WORKFLOWS, StandIn, running


@pytest.fixture
def comfyui() -> Iterator[StandIn]:
    with running() as standin:
        yield standin


@pytest.fixture
def given(commands: Commands, comfyui: StandIn) -> tuple[str, ...]:
    """The options of a run, with the workflow beside it."""
    shutil.copy(WORKFLOWS / "sdxl_t2i.json", commands.folder / "my.json")
    settings = ("generator.workflow=my.json", f"generator.base_url={comfyui.url}")
    return ("--generator=comfyui", *(f"--set={one}" for one in settings))


FOUND = "the prompt goes to 6.text of 'CLIP Text Encode (Prompt)'"


def test_doctor_lists_what_it_found(commands: Commands, given: tuple[str, ...]) -> None:
    ended = commands.run("doctor", *given)
    line = next(one for one in ended.stdout.splitlines() if one.startswith("ok  generator"))
    assert "comfyui (some_sdxl.safetensors): t2i" in line
    told = " ".join(ended.stdout.split())
    assert FOUND in told
    assert "ComfyUI 0.33.0 on cpu draws with some_sdxl.safetensors" in told


def test_doctor_says_what_is_missing(
    commands: Commands, given: tuple[str, ...], comfyui: StandIn
) -> None:
    comfyui.models = ["other.safetensors"]
    ended = commands.run("doctor", *given)
    assert ended.code == 1
    assert "no  generator" in ended.stdout
    assert "some_sdxl.safetensors" in ended.stdout


def test_a_dry_run_asks_no_server(
    commands: Commands, given: tuple[str, ...], comfyui: StandIn
) -> None:
    ended = commands.run("a fox", *given, "--dry-run")
    assert ended.code == 0, ended.stderr
    assert FOUND in " ".join(ended.stderr.split())
    assert comfyui.asked == []


def test_a_run_says_where_things_go_before_it_draws(
    commands: Commands, given: tuple[str, ...], comfyui: StandIn
) -> None:
    ended = commands.run("a fox", *given, "--plain", "--candidates=2", "--rounds=1")
    assert ended.code == 0, ended.stderr
    assert ended.stderr.index("the prompt goes to") < ended.stderr.index("image ")
    folder = only_run(commands.folder / "runs")
    run = load_run(folder)
    assert len(run.candidates) == len(comfyui.graphs) == 2
    assert {graph["6"]["inputs"]["text"] for graph in comfyui.graphs} == {"a fox"}
    assert len({graph["3"]["inputs"]["seed"] for graph in comfyui.graphs}) == 2
    kept = json.loads((folder / "generator.json").read_text())
    assert kept == {"workflow": json.loads((WORKFLOWS / "sdxl_t2i.json").read_text())}


def test_secrets_in_a_workflow_are_not_kept(
    commands: Commands, given: tuple[str, ...], comfyui: StandIn
) -> None:
    graph = json.loads((WORKFLOWS / "sdxl_t2i.json").read_text())
    graph["3"]["inputs"]["api_key"] = "sk-4242-do-not-tell"
    (commands.folder / "my.json").write_text(json.dumps(graph))
    ended = commands.run("a fox", *given, "--rounds=1")
    assert ended.code == 0, ended.stderr
    assert comfyui.graphs[0]["3"]["inputs"]["api_key"] == "sk-4242-do-not-tell"
    files = [path for path in (commands.folder / "runs").rglob("*") if path.is_file()]
    assert [path.name for path in files if b"sk-4242" in path.read_bytes()] == []
    assert "sk-4242" not in ended.stdout + ended.stderr


def test_a_run_goes_on(commands: Commands, given: tuple[str, ...], comfyui: StandIn) -> None:
    comfyui.ends = ["07_oom_history"]
    failed = commands.run("a fox", *given, "--rounds=1")
    assert failed.code == 1
    assert "out of memory" in failed.stderr
    folder = only_run(commands.folder / "runs")
    refused = commands.run("resume", str(folder))
    assert refused.code == 2
    assert "generator.workflow = 'my.json'" in refused.stderr
    resumed = commands.run("resume", str(folder), "--trust")
    assert resumed.code == 0, resumed.stderr
    assert load_run(folder).best is not None


def test_another_workflow_is_another_run(
    commands: Commands, given: tuple[str, ...], comfyui: StandIn
) -> None:
    comfyui.ends = ["07_oom_history"]
    assert commands.run("a fox", *given, "--rounds=1").code == 1
    folder = only_run(commands.folder / "runs")
    graph = json.loads((commands.folder / "my.json").read_text())
    graph["3"]["inputs"]["steps"] = 3
    (commands.folder / "my.json").write_text(json.dumps(graph))
    ended = commands.run("resume", str(folder), "--trust")
    assert ended.code == 2, ended.stderr
    assert "made with another generator" in ended.stderr


@pytest.mark.parametrize("nested", ["generator.workflow", "judge.generator.workflow"])
def test_a_project_may_not_name_a_workflow(
    commands: Commands, given: tuple[str, ...], comfyui: StandIn, nested: str
) -> None:
    section, _, _ = nested.rpartition(".")
    project = f'[generator]\nuse = "comfyui"\nbase_url = "{comfyui.url}"\n'
    if section != "generator":
        project += f"[{section}]\n"
    (commands.folder / "rr-refine.toml").write_text(f'{project}workflow = "my.json"\n')
    ended = commands.run("a fox")
    assert ended.code == 2
    assert f"{nested} = 'my.json' in rr-refine.toml is refused: its nodes would" in ended.stderr
    assert comfyui.asked == []


@pytest.mark.parametrize("name", ["prompt_input", "seed_input", "size_node", "output_node"])
def test_a_project_may_not_say_which_nodes_are_given_what(
    commands: Commands, given: tuple[str, ...], comfyui: StandIn, name: str
) -> None:
    (commands.folder / "rr-refine.toml").write_text(f'[generator]\n{name} = "6.text"\n')
    ended = commands.run("a fox", *given[1:], "--rounds=1")
    assert ended.code == 2
    assert f"generator.{name} = '6.text' in rr-refine.toml is refused" in ended.stderr
    assert comfyui.asked == []
