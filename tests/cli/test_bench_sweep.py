from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.commands import Commands

PARTS = (
    *("--generator", "tests.benchmarks.world:Painter.create"),
    *("--critic", "tests.benchmarks.world:Eye", "--limit", "4", "--renders", "3"),
)
TEST = ("bench", "sweep", "sketch", *PARTS)
DEV = (*TEST, "--split", "dev")


def factors(commands: Commands, *arguments: str) -> dict[str, list[dict[str, Any]]]:
    """What a sweep says, by what it varied."""
    ended = commands.run(*DEV, *arguments, "--json")
    assert ended.code == 0, ended.stderr
    sweep = json.loads(ended.stdout)
    assert isinstance(sweep["factors"], dict)
    return sweep["factors"]


def numbers(value: dict[str, Any]) -> tuple[object, ...]:
    return tuple(value[name] for name in ("value", "measured", "over", "renders", "critic_calls"))


def test_renders_are_shared_and_values_are_held_against_the_loop_as_it_is(
    commands: Commands,
) -> None:
    vary = ("--vary", "threshold", "--vary", "rounds", "--vary", "never-worse")
    ended = commands.run(*DEV, *vary, "--out", "there")
    assert ended.code == 0, ended.stderr
    assert "| threshold | 2.0 |" in ended.stdout
    assert "| 3.0 (as it is) | 100.0 % [51.0, 100.0] |  |" in ended.stdout
    there = commands.folder / "there"
    sweep = json.loads((there / "sweep.json").read_text())
    by_value = {
        (name, one["value"]): one for name, values in sweep["factors"].items() for one in values
    }
    # Two pictures of an item, whatever the arm: a terse one, and that of the critic's words.
    assert sweep["provenance"]["made"] == {"render": 8, "critique": 8}
    assert by_value["rounds", "1"]["measured"]["value"] == 0
    assert by_value["rounds", "1"]["over"]["value"] == -1
    assert by_value["rounds", "2"]["over"]["value"] == 0
    assert by_value["rounds", "3"]["arm"] == by_value["threshold", "3.0"]["arm"] == "refine"
    assert by_value["rounds", "3"]["over"] is None
    low = by_value["threshold", "2.0"]
    assert low["over"]["value"] < 0
    assert low["renders"] < by_value["threshold", "3.0"]["renders"] == 2
    assert {path.name for path in (there / "runs").iterdir()} == {
        *("refine", "rounds=1", "rounds=2", "never-worse=highest", "never-worse=always"),
        *(f"threshold={value}" for value in (2.0, 2.5, 3.5, 4.0)),
    }
    plot = ElementTree.parse(there / "sweep.svg")
    shown = [one.text for one in plot.iter("{http://www.w3.org/2000/svg}text")]
    assert {"threshold", "rounds", "never-worse", "3.5", "highest"} <= set(shown)
    assert (there / "sweep.md").read_text() in ended.stdout
    assert "over refine" in (there / "table.md").read_text()

    again = commands.run(*DEV, *vary, "--out", "there", "--resume", "--json")
    assert json.loads(again.stdout)["provenance"]["made"] == {}
    # Others may join, and cost what they need alone.
    more = commands.run(*DEV, "--vary", "seeds", "--out", "there", "--resume", "--json")
    found = json.loads(more.stdout)
    assert [one["value"] for one in found["factors"]["seeds"]] == ["same", "fresh", "on-repeat"]
    assert 0 < found["provenance"]["made"]["render"] <= 8


def test_what_is_recorded_is_enough_offline(commands: Commands) -> None:
    vary = ("--vary", "rounds", "--vary", "threshold", "--vary", "loop.seeds=same,fresh")
    online = factors(commands, *vary, "--out", "online")
    bench = ("bench", "sketch", "--split", "dev", "--arm", "refine", *PARTS, "--out", "there")
    assert commands.run(*bench).code == 0
    offline = commands.run(*DEV, *vary, "--out", "there", "--offline", "--json")
    assert offline.code == 0, offline.stderr
    found = json.loads(offline.stdout)
    assert found["provenance"]["made"] == {}
    # To the last digit as if it had been run; what would take another render is not guessed.
    assert found["factors"]["rounds"] == online["rounds"]
    assert found["factors"]["threshold"] == online["threshold"]
    assert [one["value"] for one in found["factors"]["loop.seeds"]] == ["same"]
    (note,) = found["provenance"]["notes"]
    assert note.endswith("(items that do): loop.seeds=fresh (4).")

    nothing = commands.run(*DEV, "--vary", "rounds", "--out", "new", "--offline")
    assert (nothing.code, nothing.stdout) == (2, "")
    assert "'new' holds no benchmark" in nothing.stderr
    # What was missing offline is made where it may be.
    later = factors(commands, "--vary", "loop.seeds=same,fresh", "--out", "there", "--resume")
    assert [*map(numbers, later["loop.seeds"])] == [*map(numbers, online["loop.seeds"])]


def test_each_number_of_samples_has_a_critic_of_its_own(commands: Commands) -> None:
    ended = commands.run(
        *("bench", "sweep", "sketch", "--split", "dev", "--limit", "2", "--renders", "1"),
        *("--generator", "fake", "--critic", "fake", "--vary", "critic.samples=1,2,3"),
        *("--set", "critic.seed=1", "--out", "there", "--json"),
    )
    assert ended.code == 0, ended.stderr
    found = json.loads(ended.stdout)
    values = found["factors"]["critic.samples"]
    assert [one["arm"] for one in values] == [f"critic.samples={n}" for n in (1, 2, 3)]
    # One picture of each item for all. With one sample the critic is the one as it is set.
    assert found["provenance"]["made"] == {"render": 2, "critique": 6}
    header = json.loads((commands.folder / "there" / "bench.json").read_text())
    own = {name: arm.get("critic") for name, arm in header["arms"].items()}
    assert own.pop("refine") is None
    assert [one["details"]["samples"] for one in own.values()] == [1, 2, 3]
    assert {one["details"]["seed"] for one in own.values()} == {1}


def test_another_critic_is_not_the_loop_as_it_is(commands: Commands) -> None:
    found = factors(
        *(commands, "--vary", "critic.use=fake,tests.benchmarks.world:Eye", "--out", "there")
    )
    assert [one["arm"] for one in found["critic.use"]] == ["critic.use=fake", "refine"]
    header = json.loads((commands.folder / "there" / "bench.json").read_text())
    assert header["arms"]["critic.use=fake"]["critic"]["kind"] != header["critic"]["kind"]


def test_an_ablation_that_the_critic_cannot_have_is_left_out_with_a_note(
    commands: Commands,
) -> None:
    ended = commands.run(*DEV, "--out", "there", "--json")
    assert ended.code == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert {"threshold", "rounds", "seeds", "rewriters", "never-worse"} == set(found["factors"])
    note = "The ablation samples sets critic.temperature and critic.samples, which cannot be"
    assert f"note: {note}, and is left out: critic 'tests." in ended.stderr
    assert any(one.startswith(note) for one in found["provenance"]["notes"])
    assert note in (commands.folder / "there" / "sweep.md").read_text()


def test_equal_values_have_one_row_and_a_note(commands: Commands) -> None:
    vary = ("--vary", "loop.margin=0.1,0.10,0.2", "--vary", "loop.target=2,2.0")
    ended = commands.run(*DEV, *vary, "--vary", "loop.margin=0.3,0.1", "--out", "there", "--json")
    assert ended.code == 0, ended.stderr
    found = json.loads(ended.stdout)
    rows = {name: [one["value"] for one in values] for name, values in found["factors"].items()}
    assert rows == {"loop.margin": ["0.1", "0.2", "0.3"], "loop.target": ["2"]}
    assert ended.stderr.count("--vary loop.margin: 0.1 is the same as 0.1") == 2
    assert "--vary loop.target: 2.0 is the same as 2, and has no row of its own" in ended.stderr
    assert "loop.target=2.0" not in {arm.name for arm in (commands.folder / "there/runs").iterdir()}


def test_what_another_command_reported_in_the_folder_is_named(commands: Commands) -> None:
    first = commands.run(*DEV, "--vary", "loop.target=2,4", "--out", "there")
    assert first.code == 0, first.stderr
    assert "An earlier report" not in first.stderr
    ended = commands.run(*DEV, "--vary", "rounds", "--out", "there", "--resume", "--json")
    assert ended.code == 0, ended.stderr
    note = "which this one replaces, also had loop.target=2, loop.target=4: their runs are kept"
    assert note in ended.stderr
    assert any(note in one for one in json.loads(ended.stdout)["provenance"]["notes"])
    bench = ("bench", "sketch", "--split", "dev", "--arm", "refine", *PARTS, "--out", "there")
    ended = commands.run(*bench, "--resume")
    assert "also had rounds=1, rounds=2: their runs are kept" in ended.stderr


def test_lists_are_values_too(commands: Commands) -> None:
    found = factors(
        *(commands, "--vary", 'rewriter.use="rules",["critic","rules"]', "--out", "there"),
    )
    assert [one["value"] for one in found["rewriter.use"]] == ["rules", "critic+rules"]


def test_a_language_model_rewrites_where_one_is_set_up(commands: Commands) -> None:
    ended = commands.run(
        *(*DEV, "--vary", "rewriters", "--set", "rewriter.llm.base_url=http://127.0.0.1:9/v1")
    )
    assert ended.code == 1
    assert "127.0.0.1:9" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "compare variants with --split dev"),
        (["--vary", "treshold"], "did you mean 'threshold'"),
        (["--vary", "generator.steps=1,2"], "--vary 'generator.steps=1,2' has no effect"),
        (["--vary", "parameters.guidance_scale=1,2"], "has no effect on a sweep"),
        (["--vary", "budget.images=1"], "has no effect on a sweep"),
        (["--vary", "loop.margn=1"], "did you mean 'loop.margin'"),
        (["--vary", "loop.margin="], "loop.margin"),
        (["--vary", "loop.target=high"], "target"),
        (["--vary", "loop.review=false,true"], "loop.review=true has no place in a sweep"),
        (["--vary", "critic.api_key=sk-a,sk-b"], "--vary critic.api_key would write a secret"),
        (["--vary", f"rewriter.use={'x' * 5000}"], "5,000 characters; 200 are the most"),
        (["--vary", "rewriter.use=../../x"], "unknown rewriter"),
        (["--vary", "loop.seeds=same,sometimes"], "seeds"),
        (
            ["--set", "critic.use=fake", "--vary", "critic.log=a/b,a_b"],
            "two values would both be 'a_b'",
        ),
        (["--vary", "samples"], "--vary samples sets critic.temperature and critic.samples, which"),
        (["--vary", "samples"], "got an unexpected keyword argument 'temperature'"),
        (
            ["--vary", "critic.samples=1,2"],
            "--vary critic.samples: critic 'tests.benchmarks.world:Eye' does",
        ),
        (
            ["--vary", "samples=1,2"],
            "give --vary samples, or the setting itself with yours: critic",
        ),
        (["--arm", "paper"], "--arm has no effect on a sweep"),
        (["--generator-only"], "one model by itself"),
    ],
)
def test_mistakes(commands: Commands, arguments: list[str], message: str) -> None:
    ended = commands.run(*(DEV if arguments else TEST), *arguments)
    assert (ended.code, ended.stdout) == (2, "")
    assert message in ended.stderr
    assert not (commands.folder / "runs").exists()


def test_values_for_an_ablation_name_its_setting(commands: Commands) -> None:
    ended = commands.run(*DEV, "--vary", "threshold=2.0,3.0", "--out", "o")
    assert ended.code == 2
    assert "threshold has values of its own; give --vary threshold, or" in ended.stderr
    assert "loop.target=2.0,3.0" in ended.stderr
