"""One broken package disturbs no other command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installed import install
from tests.test_own_parts import rr_refine

BROKEN = ["def broken(:", "raise SystemExit('old')", "import no_such_module", "Bad = 3"]


@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize(
    ("command", "group", "other"),
    [("train", "trainers", "sketch"), ("bench", "benchmarks", "unigenbench")],
)
def test_a_broken_command_is_listed_and_the_others_work(
    tmp_path: Path, text: str, command: str, group: str, other: str
) -> None:
    (tmp_path / "bad.py").write_text(text)
    install(tmp_path, {group: {"bad": "bad:Bad"}})
    listed = rr_refine(tmp_path, command, "--help", site=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "Cannot be loaded: " in listed.stdout
    assert other in listed.stdout
    if text == BROKEN[0]:
        told = rr_refine(tmp_path, command, other, "--help", site=tmp_path)
        assert (told.returncode, told.stderr) == (0, "")
    called = rr_refine(tmp_path, command, "bad", site=tmp_path)
    assert (called.returncode, called.stderr.count("\n")) == (2, 1)
    assert f"{group[:-1]} 'bad'" in called.stderr


def test_a_trainer_whose_name_is_taken(tmp_path: Path) -> None:
    install(tmp_path, {"trainers": {"sketch": "json:loads"}})
    listed = rr_refine(tmp_path, "train", "--help", site=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "sketch" in listed.stdout


@pytest.mark.parametrize(
    ("command", "group", "name"),
    [
        ("train", "trainers", "nft"),
        ("train", "trainers", "sketch"),
        ("bench", "benchmarks", "sketch"),
    ],
)
@pytest.mark.parametrize("option", ["--steps=3", "-x", "folder"])
def test_why_a_name_is_taken_is_said_whatever_is_given(
    tmp_path: Path, command: str, group: str, name: str, option: str
) -> None:
    install(tmp_path, {group: {name: "json:loads"}})
    called = rr_refine(tmp_path, command, name, option, site=tmp_path)
    assert (called.returncode, called.stderr.count("\n")) == (2, 1)
    assert "is declared by 'rr-refine' and 'strange'" in called.stderr
