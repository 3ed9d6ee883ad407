"""Streams that are closed, full, or of another encoding."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = "'rød hat' --generator fake --critic fake --rounds 1"
CODE = "from rr_refine.cli.main import main; main()"


def shell(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """A command of ours and what a shell does to its streams."""
    line = f'"{sys.executable}" -c "{CODE}" {command}'
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", [f"{RUN} --plain", f"{RUN} --json", "--help", "config show"])
@pytest.mark.parametrize("to", [">&-", ">/dev/full"])
def test_output_that_is_lost_is_one_line_and_a_failure(
    tmp_path: Path, command: str, to: str
) -> None:
    ended = shell(tmp_path, f"{command} {to}")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("error: the output cannot be written: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("to", ["2>&-", "2>/dev/full"])
def test_talk_is_lost_and_never_becomes_output(tmp_path: Path, to: str) -> None:
    ended = shell(tmp_path, f"{RUN} {to}")
    assert (ended.returncode, ended.stderr) == (0, "")
    result, folder = map(Path, ended.stdout.splitlines())
    assert result == folder / "result.png"


def test_an_error_with_no_one_to_tell(tmp_path: Path) -> None:
    ended = shell(tmp_path, "config shwo >&- 2>&- <&-")
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "")


def test_a_closed_input_is_an_empty_one(tmp_path: Path) -> None:
    ended = shell(tmp_path, "--generator fake <&-")
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_json_in_an_encoding_without_the_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    ended = shell(tmp_path, f"{RUN} --json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[0])["prompt"] == "rød hat"
    shown = shell(tmp_path, "config show --set generator.x=rød")
    assert (shown.returncode, "r\\xf8d" in shown.stdout) == (0, True), shown.stderr
