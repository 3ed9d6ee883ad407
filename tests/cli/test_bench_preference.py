from __future__ import annotations

import json
import signal

import pytest

from tests.benchmarks.preference.files import edition, generation, hpdv3, hub, ranked, write
from tests.cli.test_signals import wait_for
from tests.commands import Commands

JUDGES = "tests.benchmarks.preference.judges"
VOTES = ["leftvote", "rightvote", "tievote", "bothbad_vote"]


def lay(commands: Commands) -> None:
    """The four benchmarks, in small."""
    write(commands.folder / "gen" / "test_v1-00000-of-00001.parquet", generation(VOTES))
    write(commands.folder / "edit.jsonl", edition(VOTES))
    write(commands.folder / "t2i.parquet", hub(["A", "b"]))
    write(commands.folder / "ranked.parquet", ranked([(200, 50), (50, 200), (40, 200, 120)]))
    hpdv3(commands.folder / "hpdv3", 4)


@pytest.mark.parametrize(
    ("benchmark", "data", "protocols"),
    [
        ("genai-bench", "gen", ["4-class", "non-tie"]),
        ("genai-bench", "edit.jsonl", ["4-class", "non-tie"]),
        ("mmrb2", "t2i.parquet", ["position-swapped"]),
        ("editreward-bench", "ranked.parquet", ["K2", "K3", "overall", "non-tie"]),
        ("hpdv3", "hpdv3", ["pairwise accuracy"]),
    ],
)
def test_the_four_benchmarks(
    commands: Commands, benchmark: str, data: str, protocols: list[str]
) -> None:
    lay(commands)
    command = ("bench", "preference", benchmark, "--data", data, "--json", "--critic")
    right = commands.run(*command, f"{JUDGES}:Right", "--out", "right", "--mode", "both")
    assert right.code == 0, right.stderr
    result = json.loads(right.stdout)
    assert result == json.loads((commands.folder / "right" / "preference.json").read_text())
    assert [m["protocol"] for m in result["measures"] if m["mode"] == "pairwise"] == protocols
    assert {m["accuracy"]["value"] for m in result["measures"]} == {1.0}

    first = commands.run(*command, f"{JUDGES}:First", "--out", "first")
    assert first.code == 0, first.stderr
    measures = json.loads(first.stdout)["measures"]
    decided = [m for m in measures if m["protocol"] in (protocols[-1], "K2")]
    assert {m["accuracy"]["value"] for m in decided} == {0.5}
    assert {m["first"]["value"] for m in measures} == {1.0}


@pytest.mark.parametrize(
    ("benchmark", "data"), [("genai-bench", "gen"), ("mmrb2", "t2i.parquet"), ("hpdv3", "hpdv3")]
)
def test_a_scalar_reward_judges_each_picture_alone(
    commands: Commands, benchmark: str, data: str
) -> None:
    lay(commands)
    command = ("bench", "preference", benchmark, "--data", data)
    reward = (*command, "--critic", f"{JUDGES}:Redness")
    ended = commands.run(*reward, "--out", "one", "--json")
    assert ended.code == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert result["critic"]["kind"] == "redness" and result["usage"]["calls"] > 0
    for measure in result["measures"]:
        assert measure["mode"] == "pointwise" and measure["accuracy"]["value"] == 1.0
        assert measure["both_orders"] is measure["consistent"] is None
    mixed = commands.run(
        *(*command, "--critic", "weighted", "--out", "mixed", "--json", "--set"),
        f'critic.rewards=[{{"use": "{JUDGES}:Redness"}}]',
    )
    assert mixed.code == 0, mixed.stderr
    assert json.loads(mixed.stdout)["measures"] == result["measures"]
    refused = commands.run(*reward, "--out", "two", "--mode", "pairwise")
    assert refused.code == 2 and "cannot compare two pictures" in refused.stderr


def test_ties_are_counted(commands: Commands) -> None:
    lay(commands)
    ended = commands.run(
        *("bench", "preference", "genai-bench", "--data", "gen", "--out", "there"),
        *("--critic", f"{JUDGES}:Redness", "--set", "critic.coarse=true"),
    )
    assert ended.code == 0, ended.stderr
    result = json.loads((commands.folder / "there" / "preference.json").read_text())
    classes = {m["protocol"]: m for m in result["measures"]}
    assert classes["4-class"]["ties"]["value"] == 0.5  # of two pairs that people decided: none
    assert classes["non-tie"]["ties"]["value"] == 0.0
    assert "| protocol | mode | accuracy | official | ties | of | pairs | failed |" in ended.stdout
    assert "| non-tie | pointwise | 100.0 % [34.2, 100.0] |" in ended.stdout


def test_the_table_and_the_progress(commands: Commands) -> None:
    lay(commands)
    ended = commands.run(
        *("bench", "preference", "genai-bench", "--data", "gen/test_v1-*", "--limit", "3"),
        *("--shard", "1/2", "--critic", f"{JUDGES}:Right", "--out", "there"),
    )
    assert ended.code == 0, ended.stderr
    assert "genai-bench image_generation: 2 pairs (limit 3, shard 1/2)" in ended.stdout
    assert "| 4-class | pairwise | 100.0 % [34.2, 100.0] |" in ended.stdout
    assert ended.stdout.endswith("there\n")
    assert "2 of 2 pairs" in ended.stderr


def test_failures_and_their_resumption(commands: Commands) -> None:
    lay(commands)
    command = (
        *("bench", "preference", "mmrb2", "--data", "t2i.parquet", "--concurrency", "1"),
        *("--critic", "fake", "--out", "there", "--json"),
    )
    failed = commands.run(*command, "--set", 'critic.comparisons=["a", "timeout"]')
    assert failed.code == 1
    result = json.loads(failed.stdout)
    assert result["failures"] == {"CriticTimeout": 1}
    assert result["measures"][0]["accuracy"]["value"] == 0.5
    assert result["measures"][0]["official"] == 1.0
    assert "1 failed; --resume asks them again" in failed.stderr

    refused = commands.run(*command)
    assert (refused.code, refused.stdout) == (2, "")
    assert "go on with --resume" in refused.stderr
    assert commands.run(*command, "--resume").code == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_going_on_after_a_kill(commands: Commands, number: signal.Signals) -> None:
    hpdv3(commands.folder, 12)
    command = (
        *("bench", "preference", "hpdv3", "--data", "test.json", "--concurrency", "2"),
        *("--critic", "fake", "--out", "there", "--json"),
        *("--set", "critic.log=log", "--set", "critic.seconds=0.05"),
    )
    log = commands.folder / "log"
    with commands.start(*command) as going:
        wait_for(lambda: log.is_file() and len(log.read_text().splitlines()) >= 4)
        going.send(number)
        ended = going.wait()
    assert ended.code == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in ended.stderr
    done = len(log.read_text().splitlines())
    again = commands.run(*command, "--resume")
    assert again.code == 0, again.stderr
    assert json.loads(again.stdout)["measures"][0]["pairs"] == 12
    # What was under way, of two at once, may have to be asked again.
    assert 12 <= len(log.read_text().splitlines()) <= 12 + 2
    assert done < 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["genai-bench", "--data", "gen"], "no critic is named"),
        (["genai-bench", "--data", "no", "--critic", "fake"], "there is no data at 'no'"),
        (["mmrb2", "--data", "gen", "--critic", "fake"], "has no requests in it"),
        (["hpdv3", "--data", "gen", "--critic", "fake"], "has no column 'path1'"),
        (["editreward-bench", "--data", "gen", "--critic", "fake"], "has no column 'id'"),
        (["genai", "--data", "gen", "--critic", "fake"], "genai"),
        (["genai-bench", "--critic", "fake"], "--data"),
        (["genai-bench", "--data", "gen", "--critic", "fake", "--limit", "0"], "at least 1"),
        (["genai-bench", "--data", "gen", "--critic", "fake", "--shard", "3/2"], "out of range"),
        (["genai-bench", "--data", "gen", "--critic", "fake", "--set", "seed=1"], "no effect"),
        (
            ["genai-bench", "--data", "gen", "--critic", f"{JUDGES}:Solitary"],
            "cannot compare two pictures: give --mode pointwise",
        ),
    ],
)
def test_mistakes(commands: Commands, arguments: list[str], message: str) -> None:
    lay(commands)
    ended = commands.run("bench", "preference", *arguments, "--out", "there")
    assert (ended.code, ended.stdout) == (2, "")
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (commands.folder / "there" / "pairs.jsonl").exists()
