"""Shell completion: each script is taken by its shell, and bash's completes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands import Commands

COMPLETE = """
source "$1"
COMP_WORDS=(rr-refine "${@:2}")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_rr_refine
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def script(commands: Commands, tmp_path: Path) -> Path:
    ended = commands.run("completion", "bash")
    assert (ended.code, ended.stderr) == (0, "")
    path = tmp_path / "completion.bash"
    path.write_text(ended.stdout)
    return path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["res"], {"resume"}),
        (["--rev"], {"--review"}),
        (["resume", "--pl"], {"--plain"}),
        (["config", "s"], {"show"}),
        (["a cat", "--pictures", "si"], {"sixel"}),
    ],
)
def test_bash_completes(script: Path, words: list[str], found: set[str]) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE, "bash", str(script), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) == found


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(commands: Commands, tmp_path: Path, shell: str) -> None:
    ended = commands.run("completion", shell)
    assert (ended.code, ended.stderr) == (0, "")
    for word in ("rr-refine", "resume", "review", "sixel"):
        assert word in ended.stdout
    if program := shutil.which(shell):
        path = tmp_path / "completion"
        path.write_text(ended.stdout)
        subprocess.run([program, "-n", str(path)], check=True)
