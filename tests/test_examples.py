from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
LAST_LINE = {
    "edit_image": "result.png",
    "embed_graph": "best prompt: a poster that says",
    "own_critic": "two red circles",
    "own_generator": "result.png",
    "review_api": "['request', 'human', ",
    "stream_events": "result.png",
}


def test_every_example_is_known() -> None:
    assert {p.stem for p in EXAMPLES} == set(LAST_LINE)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(path: Path, tmp_path: Path) -> None:
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


def test_own_generator_passes_the_contract(tmp_path: Path) -> None:
    path = next(p for p in EXAMPLES if p.stem == "own_generator")
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
