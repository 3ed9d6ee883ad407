from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import Commands

ALL = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
EXAMPLES = [path for path in ALL if path.stem != "service"]  # see tests/examples
LAST_LINE = {
    "edit_image": "result.png",
    "embed_graph": "asked about: a poster that says",
    "own_critic": "two red circles",
    "own_generator": "result.png",
    "own_judge": "grade of the result: ",
    "own_rewriter": "['a teapot', 'a teapot, in soft morning light', 'a teapot, in the light of",
    "own_stop_rule": "stopped by two-tries: 2 pictures were judged",
    "review_api": "['request', 'human', ",
    "stream_events": "result.png",
}


def test_every_example_is_known() -> None:
    assert {p.stem for p in EXAMPLES} == set(LAST_LINE)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(path: Path, commands: Commands) -> None:
    ended = commands.run(script=path, models=True)
    assert ended.code == 0, ended.stderr
    assert LAST_LINE[path.stem] in ended.stdout.splitlines()[-1]


def test_an_example_needs_nothing_that_was_there_before(tmp_path: Path) -> None:
    """The others run in a process that has imported much; this one, in a fresh one."""
    path = next(p for p in EXAMPLES if p.stem == "edit_image")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert LAST_LINE[path.stem] in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", ["own_generator", "own_judge", "own_rewriter", "own_stop_rule"])
def test_an_example_passes_its_contract(name: str, tmp_path: Path) -> None:
    path = next(p for p in EXAMPLES if p.stem == name)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
