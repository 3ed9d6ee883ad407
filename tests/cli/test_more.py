"""`rr-refine more`: what follows a picture, from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rr_refine.agent.run import Run, load_run
from tests.agent.records import lines, only_run
from tests.commands import Commands

FAKES = ("--generator=fake", "--critic=fake", "--set=critic.seed=1")
SMALL = ("--set=generator.width=48", "--set=generator.height=32")
SETTINGS = ("--set=loop.target=4.0", "--set=loop.patience=9", "--rounds=2")


@pytest.fixture
def first(commands: Commands) -> Path:
    ended = commands.run("three red hats", *FAKES, *SMALL, *SETTINGS, "--keep=hats")
    assert ended.code == 0, ended.stderr
    return only_run(commands.folder / "runs")


def new_run(commands: Commands, first: Path, *arguments: str) -> Run:
    """The run that a follow-up begins, beside the first one."""
    ended = commands.run("more", str(first), *arguments)
    assert ended.code == 0, ended.stderr
    (path,) = (one for one in first.parent.iterdir() if one.name != first.name)
    assert ended.stdout.splitlines()[-1] == str(path)
    return load_run(path)


def test_the_end_of_a_run_says_how_to_get_another_picture(commands: Commands) -> None:
    ended = commands.run("three red hats", *FAKES, *SMALL)
    (line,) = (one for one in ended.stderr.splitlines() if one.startswith("another "))
    command = line.split("rr-refine ")[1].split("  ")[0].split()
    again = commands.run(*command)
    assert again.code == 0, again.stderr
    runs = [load_run(path) for path in (commands.folder / "runs").iterdir()]
    assert len({run.request.seed for run in runs}) == 2
    assert "another " not in commands.run("a hat", *FAKES, *SMALL, "--json").stderr


def test_the_end_of_a_run_that_needs_trust_says_so(commands: Commands) -> None:
    log = ("--set=generator.log=log", "--rounds=1")
    ended = commands.run("three red hats", *FAKES, *SMALL, *log)
    assert ended.code == 0, ended.stderr
    (line,) = (one for one in ended.stderr.splitlines() if one.startswith("another "))
    command = line.split("rr-refine ")[1].split("  ")[0].split()
    assert "--trust" in command
    again = commands.run(*command)
    assert again.code == 0, again.stderr


def test_a_run_without_a_picture_offers_no_other(commands: Commands) -> None:
    script = '--set=generator.script=["refused"]'
    ended = commands.run("three red hats", *FAKES, *SMALL, script, "--rounds=1")
    assert ended.code == 1, ended.stderr
    assert "another " not in ended.stderr


def test_go_on(commands: Commands, first: Path) -> None:
    ended = commands.run("more", str(first))
    assert ended.code == 0, ended.stderr
    run = load_run(first)
    assert [c.round for c in run.candidates] == [0, 1, 2, 3]
    assert run.report_path is not None
    assert "You went on, to see another picture." in run.report_path.read_text()
    assert only_run(first.parent) == first
    assert "round 1/" not in ended.stderr  # what was told is not told again


def test_go_on_with_words_from_a_picture(commands: Commands, first: Path) -> None:
    ended = commands.run("more", str(first), "--say", "make it night", "--picture=1", "--rounds=1")
    assert ended.code == 0, ended.stderr
    run = load_run(first)
    (revision,) = run.revisions
    assert (revision.remark, revision.incumbent) == ("make it night", "r0c0")
    assert len(run.candidates) == 3


def test_vary(commands: Commands, first: Path) -> None:
    run = new_run(commands, first, "--vary=3", "--picture=r1c0", "--seed=5")
    assert [c.seed for c in run.candidates] == [5, 6, 7]
    assert {c.prompt for c in run.candidates} == {load_run(first).candidates[1].prompt}
    assert run.policy.preset == "best-of-n"
    assert run.lineage is not None
    assert (run.lineage.kind, run.lineage.candidate) == ("vary", "r1c0")


def test_edit(commands: Commands, first: Path) -> None:
    run = new_run(commands, first, "--edit", "make them blue")
    assert run.request.source == load_run(first).best.image  # type: ignore[union-attr]
    assert run.policy == load_run(first).policy
    assert run.request.keep == ()


def test_again_with_other_settings(commands: Commands, first: Path) -> None:
    run = new_run(commands, first, "--again", "--rounds=1", "--candidates=2", "--set=critic.seed=2")
    assert (run.request.prompt, run.request.keep) == ("three red hats", ("hats",))
    assert (run.policy.budget.rounds, run.policy.candidates, run.policy.target) == (1, 2, 4.0)
    assert run.request.seed != 0


def test_another_preset_is_taken_whole(commands: Commands, first: Path) -> None:
    run = new_run(commands, first, "--again", "--preset=paper")
    assert run.policy.preset == "paper"


def test_a_size_is_asked_for_and_kept(commands: Commands) -> None:
    ended = commands.run("a hat", *FAKES, "--width=40", "--height=24", "--rounds=1")
    assert ended.code == 0, ended.stderr
    first = only_run(commands.folder / "runs")
    assert load_run(first).request.parameters == {"width": 40, "height": 24}
    run = new_run(commands, first, "--vary=2")
    assert run.candidates[1].image is not None
    assert run.image(run.candidates[1]).size == (40, 24)


def test_use_the_prompt(commands: Commands, first: Path) -> None:
    run = new_run(commands, first, "--use-prompt", "--picture=2")
    assert run.request.prompt == load_run(first).candidates[1].prompt


def test_a_varied_run_is_resumed_as_it_was_made(commands: Commands, first: Path) -> None:
    run = new_run(commands, first, "--vary=2", "--picture=2")
    manifest = json.loads((run.path / "manifest.json").read_text())
    (run.path / "manifest.json").write_text(json.dumps({**manifest, "status": "interrupted"}))
    ended = commands.run("resume", str(run.path))
    assert ended.code == 0, ended.stderr
    assert load_run(run.path).candidates == run.candidates


def test_lineage_is_told_and_so_is_a_parent_that_is_gone(commands: Commands, first: Path) -> None:
    run = new_run(commands, first, "--vary=2")
    page = run.path / "report" / "index.html"
    assert f"../../{first.name}/report/index.html" in page.read_text()
    started = lines(run.path / "events.jsonl")[0]
    assert started["lineage"]["kind"] == "vary"
    assert commands.run("report", "runs").code == 0
    assert "more seeds of the prompt of" in (first.parent / "gallery.html").read_text()
    shutil.rmtree(first)
    assert commands.run("report", str(run.path)).code == 0
    assert "not beside this one any more" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--vary=2", "--again"], "--vary and --again ask for different things"),
        (["--say=x", "--edit=y"], "--say and --edit ask for different things"),
        (["--say="], "--say is blank"),
        (["--edit= "], "say what should change"),
        (["--vary=0"], "0 pictures: "),
        (["--vary=65"], "65 pictures: "),
        (["--rounds=0"], "0 rounds: "),
        (["--picture=9"], "the run has 2 of them"),
        (["--picture=0"], "the run has 2 of them"),
        (["--picture=r9c9"], "it has r0c0, r1c0"),
        (["--seed=3"], "--seed has no effect"),
        (["--candidates=3"], "--candidates has no effect"),
        (["--review"], "--review has no effect"),
        (["--preset=paper"], "--preset has no effect"),
        (["--critic=fake"], "--critic or --critic-url has no effect"),
        (["--set=loop.margin=1"], "--set loop.margin has no effect"),
        (["--vary=2", "--candidates=3"], "--candidates has no effect"),
        (["--vary=2", "--preset=paper"], "--preset has no effect"),
        (["--vary=2", "--set=preset=careful"], "--preset has no effect"),
        (["--vary=2", "--rounds=3"], "which fixes it"),
        (["--again", "--config=rr-refine.toml"], "--config has no effect"),
        (["--again", "--review", "--auto"], "--review asks and --auto does not"),
        (["--use-prompt", "--set=loop.margn=1"], "did you mean 'loop.margin'?"),
    ],
)
def test_mistakes(commands: Commands, first: Path, arguments: list[str], words: str) -> None:
    before = (first / "samples.jsonl").read_bytes()
    ended = commands.run("more", str(first), *arguments)
    assert (ended.code, ended.stdout) == (2, "")
    assert words in ended.stderr
    assert only_run(first.parent) == first
    assert (first / "samples.jsonl").read_bytes() == before


def test_a_run_of_a_program(commands: Commands, first: Path) -> None:
    config = json.loads((first / "config.json").read_text())
    (first / "config.json").write_text(json.dumps({**config, "settings": {}}))
    for arguments in ([], ["--again"]):
        ended = commands.run("more", str(first), *arguments)
        assert ended.code == 2
        assert "was made by a program" in ended.stderr


def test_a_run_that_names_code_asks_for_trust(commands: Commands, first: Path) -> None:
    config = json.loads((first / "config.json").read_text())
    config["settings"]["generator.use"] = "mine:Generator"
    (first / "config.json").write_text(json.dumps(config))
    for arguments in ([], ["--again"], ["--vary=2"], ["--edit=x"]):
        ended = commands.run("more", str(first), *arguments)
        assert ended.code == 2
        assert "--trust" in ended.stderr
