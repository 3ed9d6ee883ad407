from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.agent.records import lines
from tests.commands import Commands

FAKES = ("--generator", "fake", "--critic", "fake", "--auto")


def test_runs_become_training_data(commands: Commands) -> None:
    for prompt in ("three red hats", "a blue door"):
        made = commands.run(prompt, *FAKES, "--set", "loop.target=4.0", "--rounds", "2")
        assert made.code == 0, made.stderr
    bench = ("bench", "sketch", "--split", "dev", "--limit", "2", "--renders", "2")
    fakes = ("--generator", "tests.benchmarks.world:Painter.create")
    eye = ("--critic", "tests.benchmarks.world:Eye", "--arm", "refine", "--arm", "paper")
    assert commands.run(*bench, *fakes, *eye, "--out", "runs/bench").code == 0
    ended = commands.run("export", "runs", "--out", "data", "--json")
    assert ended.code == 0, ended.stderr
    assert "2 runs are of the benchmark 'sketch, dev split'" not in ended.stderr
    assert "4 runs are of the benchmark 'sketch, dev split'" in ended.stderr
    assert "give --licence" in ended.stderr
    report = json.loads(ended.stdout)
    assert report["runs"] == 6
    # Both arms have the same requests, and the same pictures.
    assert report["files"]["prompts"] == {"rows": 4, "left_out": {"duplicate": 2}}
    rows = lines(commands.folder / "data" / "pairs.jsonl")
    theirs = [row for row in rows if row["benchmark"]]
    assert [row["benchmark"] for row in theirs] == ["sketch, dev split"] * 2
    assert {row["run"].rpartition("/")[0] for row in theirs} <= {"runs/refine", "runs/paper"}
    taken = commands.run("parrot", "ingest", "recorded", "data", "parrot")
    assert taken.code == 0, taken.stderr
    assert f"{len(rows)} of {len(rows)} kept" in taken.stdout

    again = commands.run("export", "runs", "--out", "data", "--licence", "CC0-1.0")
    assert again.code == 0, again.stderr
    assert "prompts.jsonl: 4 rows; left out: duplicate 2" in again.stdout
    assert again.stdout.endswith("data\n")
    assert "give --licence" not in again.stderr
    card = (commands.folder / "data/README.md").read_text()
    assert "Licence of words and pictures: CC0-1.0." in card
    assert "do not train on what you report on" in card


def test_what_stand_ins_made_is_told(commands: Commands) -> None:
    world = "tests.benchmarks.world"
    for parts in (FAKES, (f"--generator={world}:Painter.create", f"--critic={world}:Eye")):
        bench = ("bench", "sketch", "--split", "dev", "--limit", "1", "--arm", "refine")
        made = commands.run(*bench, *parts[:4], "--out", f"runs/{len(parts)}")
        assert made.code == 0, made.stderr
    ended = commands.run("export", "runs", "--out", "data", "--licence", "MIT", "--json")
    assert ended.code == 0, ended.stderr
    card = (commands.folder / "data/README.md").read_text()
    notes = json.loads(ended.stdout)["notes"]
    for words in (
        "1 of 2 runs were judged by the stand-in `fake`, which looks at no picture",
        "1 of 2 runs were drawn by the stand-in `fake`",
    ):
        assert words in ended.stderr
        assert words in card
        assert any(words in note for note in notes)


@pytest.mark.parametrize("licence", ["", " ", "\n", "CC-\udcff"])
def test_a_licence_is_not_blank(commands: Commands, licence: str) -> None:
    assert commands.run("three red hats", *FAKES).code == 0
    ended = commands.run("export", "runs", "--out", "data", f"--licence={licence}")
    assert (ended.code, ended.stdout) == (2, "")
    assert "is blank or no text: say which it is, or leave it out" in ended.stderr
    assert not (commands.folder / "data").exists()


def test_a_run_that_cannot_be_read_is_named(commands: Commands) -> None:
    assert commands.run("three red hats", *FAKES).code == 0
    for name in ("torn", "other"):
        (commands.folder / "runs" / name).mkdir()
        (commands.folder / "runs" / name / "config.json").write_text('{"request": ')
        (commands.folder / "runs" / name / "manifest.json").write_text("[]")
    ended = commands.run("export", "runs", "--out", "data")
    assert ended.code == 1
    assert ended.stderr.count("left out: ") == 2
    assert "prompts.jsonl: 1 rows" in ended.stdout
    report = json.loads((commands.folder / "data/export.json").read_text())
    assert len(report["unreadable"]) == 2


def test_a_run_whose_name_is_no_text_is_named(commands: Commands) -> None:
    for prompt in ("three red hats", "a blue door"):
        assert commands.run(prompt, *FAKES).code == 0
    run, _ = (commands.folder / "runs").iterdir()
    config = json.loads((run / "config.json").read_text())
    config.pop("run_id", None)
    (run / "config.json").write_text(json.dumps(config))
    run.rename(os.fsdecode(os.fsencode(run.parent) + b"/caf\xe9"))
    torn = Path(os.fsdecode(os.fsencode(run.parent) + b"/torn\xe9"))
    torn.mkdir()
    (torn / "config.json").write_text('{"request": ')
    (torn / "manifest.json").write_text("[]")
    ended = commands.run("export", "runs", "--out", "data", "--json")
    assert ended.code == 1, ended.stderr
    assert "no UTF-8 text" in ended.stderr
    report = json.loads(ended.stdout)
    assert report["runs"] == 1 and report["files"]["prompts"]["rows"] == 1
    assert len(report["unreadable"]) == 2
    assert "caf\\udce9" in report["unreadable"][0]


def test_a_run_with_a_prompt_that_is_no_text_is_named(commands: Commands) -> None:
    assert commands.run("three red hats", *FAKES).code == 0
    (run,) = (commands.folder / "runs").iterdir()
    journal = run / "samples.jsonl"
    text = journal.read_text().replace("in sharp focus", "in sharp focus\\ud800")
    assert "ud800" in text
    journal.write_text(text)
    ended = commands.run("export", "runs", "--out", "data", "--json")
    assert ended.code == 1, ended.stderr
    assert "no UTF-8 text" in ended.stderr
    assert json.loads(ended.stdout)["runs"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a run folder"),
        (["nowhere"], "'nowhere' is no folder"),
        (["full"], "there is no run in 'full'"),
        (["run", "--least-reward", "3"], "none of 0 to 1"),
        (["run", "--out", "full"], "'full' holds other files, such as 'letter.txt'"),
    ],
)
def test_mistakes(commands: Commands, arguments: list[str], message: str) -> None:
    for name in ("full", "run"):
        (commands.folder / name).mkdir()
    (commands.folder / "full" / "letter.txt").write_text("mine")
    for name in ("config.json", "manifest.json"):
        (commands.folder / "run" / name).write_text("{}")
    given = arguments if "--out" in arguments else [*arguments, "--out", "data"]
    ended = commands.run("export", *given)
    assert (ended.code, ended.stdout) == (2, "")
    assert message in ended.stderr
    assert not (commands.folder / "data").exists()
