from __future__ import annotations

import json
import signal

import pytest

from tests.agent.records import lines
from tests.benchmarks.harness import kept
from tests.cli.test_signals import wait_for
from tests.commands import Commands

WORLD = (
    *("bench", "sketch", "--limit", "2", "--renders", "2"),
    *(
        "--generator",
        "tests.benchmarks.world:Painter.create",
        "--critic",
        "tests.benchmarks.world:Eye",
    ),
)
ARMS = ("--arm", "one-shot", "--arm", "refine")


def test_a_benchmark_and_its_resumption(commands: Commands) -> None:
    ended = commands.run(*WORLD, *ARMS, "--out", "there")
    assert ended.code == 0, ended.stderr
    assert "| refine | 100.0 % [34.2, 100.0]" in ended.stdout
    assert ended.stdout.endswith("there\n")
    assert "4 of 4 runs" in ended.stderr
    held = {path.name for path in (commands.folder / "there").iterdir()}
    assert {"results.json", "table.md", "exact.svg", "score.svg", "trials.jsonl", "runs"} <= held

    refused = commands.run(*WORLD, *ARMS, "--out", "there")
    assert (refused.code, refused.stdout) == (2, "")
    assert "go on with --resume" in refused.stderr

    again = commands.run(*WORLD, *ARMS, "--out", "there", "--resume", "--json")
    assert again.code == 0
    results = json.loads(again.stdout)
    assert results["provenance"]["made"] == {}
    assert results["provenance"]["benchmark"] == "sketch, test split"
    assert [arm["arm"] for arm in results["arms"]] == ["one-shot", "refine"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_going_on_after_a_kill(commands: Commands, number: signal.Signals) -> None:
    command = (
        *("bench", "sketch", "--limit", "3", "--arm", "best-of-n", "--arm", "paper"),
        *("--generator", "fake", "--critic", "fake", "--out", "there", "--concurrency", "2"),
        *("--set", "generator.log=log", "--set", "generator.seconds=0.05"),
    )
    log, cache = commands.folder / "log", commands.folder / "there" / "cache"
    with commands.start(*command) as going:
        wait_for(lambda: len(lines(log)) > 8)
        going.send(number)
        ended = going.wait()
    drained = number != signal.SIGKILL
    assert ended.code == (130 if drained else -number)
    assert ("--resume goes on" in ended.stderr) == drained
    assert "Traceback" not in ended.stderr
    done = [(made["prompt"], made["seed"]) for kind, _, made in kept(cache) if kind == "render"]
    assert done
    log.unlink()
    again = commands.run(*command, "--resume")
    assert again.code == 0, again.stderr
    made = [(line["prompt"], line["seed"]) for line in lines(log) if line["event"] == "start"]
    assert not set(done) & set(made)
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    ("flag", "shown", "file"),
    [
        ("--generator-only", "dense requests exact | 100.0 %", "generator.json"),
        ("--critic-only", "missed requirements named, F1 | 100.0 %", "critic.json"),
    ],
)
def test_one_model_alone(commands: Commands, flag: str, shown: str, file: str) -> None:
    ended = commands.run(*WORLD, flag, "--split", "dev")
    assert ended.code == 0, ended.stderr
    assert shown in ended.stdout
    assert (commands.folder / "runs" / "bench-sketch" / file).is_file()


def test_failures_are_told(commands: Commands) -> None:
    ended = commands.run(
        *("bench", "sketch", "--limit", "1", "--arm", "one-shot", "--critic", "fake"),
        *("--generator", "tests.benchmarks.world:Painter.create"),
        *("--set", 'critic.script=["timeout"]'),
    )
    assert ended.code == 1
    assert "1 of 1 runs, 1 failed" in ended.stderr
    assert "1 failed; --resume tries them again; the last: " in ended.stderr
    assert "| one-shot | 0.0 % [n/a]" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--generator-only", "--critic-only"], "exclude each other"),
        (["--critic-only", "--edits"], "for comparing arms only"),
        (["--edits", "--register", "dense"], "--register has no effect"),
        (["--concurrency", "0"], "at least 1"),
        (["--arm", "refin"], "did you mean 'refine'"),
        (["--set", "seed=3"], "--set seed has no effect"),
        (["--set", "budget.rounds=9"], "give --renders"),
        (["--set", "loop.margin=0.5"], "compare variants with --split dev"),
        (["--set", "rewriter.use=rules"], "compare variants with --split dev"),
        (["--split", "dev", "--set", "loop.margin=0.5", "--arm", "one-shot"], "margin has no"),
    ],
)
def test_mistakes(commands: Commands, arguments: list[str], message: str) -> None:
    ended = commands.run(*WORLD, *arguments)
    assert ended.code == 2
    assert message in ended.stderr
    assert not (commands.folder / "runs").exists()
