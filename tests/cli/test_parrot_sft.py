from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.cli.main import main
from tests.reward.tiny_llava import build_tiny_llava
from tests.training.parrot.test_recipe import write_rows

pytest.importorskip("torch")
pytest.importorskip("trl")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["parrot", "sft", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_student_from_a_built_in_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = build_tiny_llava(tmp_path / "tiny")
    rows = write_rows(tmp_path / "rows.jsonl").file
    settings = (f"--model={model}", f"--data={rows}", f"--out={tmp_path / 'out'}", "--max-steps=1")
    assert run("sketch", *settings) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{tmp_path / 'out' / 'model'}\n"
    assert "step 1: loss " in printed.err
    assert "1 steps, 4 rows, loss " in printed.err
    assert run("sketch", *settings) == 2
    assert "holds a training already" in capsys.readouterr().err
    assert run("sketch", *settings, "--resume") == 0


def test_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("qwen3-vl-8b", "--dry-run", f"--out={tmp_path / 'out'}") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("rows: made up\nsupervised: '## Justification")
    assert "trained: 107,776 of 225,952 weights" in printed
    assert not (tmp_path / "out").exists()


def test_an_unknown_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("qwen") == 2
    assert "there is no recipe 'qwen'; there are qwen3-vl-8b, " in capsys.readouterr().err
