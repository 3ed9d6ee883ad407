"""kill -9 anywhere, then resume: nothing finished is done twice, and the run comes to the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rr_refine.agent.keys import comparison_key
from rr_refine.agent.run import load_run
from rr_refine.digest import digest
from rr_refine.request import Request
from tests.agent.records import items, lines, only_run, record
from tests.commands import Commands

KILLED = -9
# Critic seed 1: in round 0 a near tie is settled by a comparison, in round 1 a challenger wins.
REQUEST = (
    "three red hats",
    *("--candidates", "2", "--rounds", "2", "--set", "loop.target=4.0"),
    *(
        "--generator=fake",
        "--set",
        "generator.width=48",
        "--set",
        "generator.height=32",
        "--set",
        "critic.seed=1",
    ),
)
TWICE = ("generate", "critique", "accept", "decide")
NODES = [
    f"{when}:{node}:{number}"
    for number in (1, 2)
    for node in (*(("plan", "rewrite", "finish") if number == 1 else ()), *TWICE)
    for when in ("before", "after")
]
ITEMS = [
    f"{when}:put-{item}"
    for item in (
        *("render:1", "render:2", "critique:1", "critique:2", "comparison:1", "round:1"),
        *("rewrite:1", "render:4", "critique:3", "round:2", "outcome:1"),
    )
    for when in ("torn", "after")
]


class Runs:
    """Runs of one request in folders that log every call of generator and critic."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        self.out = commands.folder / "runs"
        self.logs = {part: commands.folder / f"{part}.log" for part in ("generator", "critic")}

    @property
    def arguments(self) -> list[str]:
        logs = [f"--set={part}.log={path}" for part, path in self.logs.items()]
        return [*REQUEST, *logs]

    @property
    def folder(self) -> Path:
        return only_run(self.out)

    def calls(self) -> dict[str, list[Any]]:
        """What was begun: (prompt, seed) of renders, journal keys of what the critic did."""
        renders = [line for line in lines(self.logs["generator"]) if line["event"] == "start"]
        return {
            "render": [(line["prompt"], line["seed"]) for line in renders],
            "critic": [critic_key(*line["images"]) for line in lines(self.logs["critic"])],
        }

    def finished(self) -> dict[str, list[Any]]:
        """What is in the journal, in the same words."""
        done = items(self.folder)
        return {
            "render": [(v["prompt"], v["seed"]) for kind, _, v in done if kind == "render"],
            "critic": [key for kind, key, _ in done if kind in ("critique", "comparison")],
        }

    def kill(self, point: str) -> None:
        assert self.commands.run(*self.arguments, kill=point).code == KILLED

    def resume(self) -> None:
        ended = self.commands.run("resume", str(self.folder), "--trust")  # it names logs
        assert ended.code == 0, ended.stderr


@pytest.fixture
def runs(commands: Commands) -> Runs:
    return Runs(commands)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    from tests.commands import Commands

    runs = Runs(Commands(tmp_path_factory.mktemp("uninterrupted")))
    assert runs.commands.run(*runs.arguments).code == 0
    kinds = [kind for kind, _, _ in items(runs.folder)]
    assert {k: kinds.count(k) for k in kinds} == {
        **{"fit": 2, "render": 4, "critique": 4, "comparison": 1, "round": 2},
        **{"rewrite": 1, "outcome": 1},
    }
    return record(runs.folder)


def critic_key(*pictures: str) -> str:
    if len(pictures) == 2:
        return comparison_key(Request(prompt=REQUEST[0]), *pictures)
    return digest({"prompt": REQUEST[0], "image": pictures[0], "source": None})


def check_nothing_twice(runs: Runs, resume: Callable[[], None]) -> None:
    """Resume; what the journal held before was not begun again."""
    begun, done = runs.calls(), runs.finished()
    resume()
    for kind, calls in runs.calls().items():
        again = [c for c in calls[len(begun[kind]) :] if c in done[kind]]
        assert not again, f"{kind} done again: {again}"


@pytest.mark.parametrize("point", [*NODES, *ITEMS])
def test_killed_anywhere_and_resumed(
    runs: Runs, point: str, uninterrupted: dict[tuple[str, str], Any]
) -> None:
    runs.kill(point)
    assert load_run(runs.folder).outcome is None or "outcome" in point or point == "after:finish:1"
    check_nothing_twice(runs, runs.resume)
    assert record(runs.folder) == uninterrupted
    assert load_run(runs.folder).status == "done"
    assert (runs.folder / "result.png").exists()
    assert not list(runs.folder.glob("*.sqlite*"))


@pytest.mark.parametrize(
    ("point", "old"),
    [
        ("before:critique:1", b""),
        ("after:put-render:4", b"\0garbage" * 9999),
        ("after:finish:1", b"\0garbage" * 9999),
        ("after:put-comparison:1", b""),
    ],
)
def test_checkpoints_of_older_versions_are_left_alone(
    runs: Runs, point: str, old: bytes, uninterrupted: dict[tuple[str, str], Any]
) -> None:
    runs.kill(point)
    (runs.folder / "checkpoints.sqlite").write_bytes(old)
    check_nothing_twice(runs, runs.resume)
    assert record(runs.folder) == uninterrupted
    assert (runs.folder / "checkpoints.sqlite").read_bytes() == old


def test_the_same_command_resumes_too(
    runs: Runs, uninterrupted: dict[tuple[str, str], Any]
) -> None:
    runs.kill("after:put-render:3")

    def same_command() -> None:
        assert runs.commands.run(*runs.arguments).code == 0

    check_nothing_twice(runs, same_command)
    assert record(runs.folder) == uninterrupted


def test_killed_again_and_again(runs: Runs, uninterrupted: dict[tuple[str, str], Any]) -> None:
    runs.kill("before:put-render:1")
    for point in (
        "after:put-render:1",
        "after:put-critique:1",
        "before:rewrite:1",
        "torn:put-render:1",
    ):
        check_nothing_twice(
            runs,
            lambda point=point: runs.kill(point),  # type: ignore[misc]
        )
    check_nothing_twice(runs, runs.resume)
    assert record(runs.folder) == uninterrupted


def test_a_copied_folder_goes_on_elsewhere(
    runs: Runs, tmp_path: Path, uninterrupted: dict[tuple[str, str], Any]
) -> None:
    runs.kill("before:critique:2")
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(runs.folder, copy)
    ended = runs.commands.run("resume", str(copy), "--trust")
    assert ended.code == 0
    assert ended.stdout.splitlines() == [str(copy / "result.png"), str(copy)]
    assert record(copy) == uninterrupted
