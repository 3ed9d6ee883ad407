from __future__ import annotations

import json
from pathlib import Path

import pytest

from rr_refine.cli.main import main
from tests.benchmarks.preference.files import generation, write
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
    assert printed.startswith("processor: without its video part, which needs torchvision\n")
    assert "rows: made up\nsupervised: '## Justification" in printed
    assert "trained: 107,776 of 225,952 weights" in printed
    assert not (tmp_path / "out").exists()


def test_an_unknown_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("qwen") == 2
    assert "there is no recipe 'qwen'; there are qwen3-vl-8b, " in capsys.readouterr().err


def test_a_student_is_measured_on_a_benchmark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build_tiny_llava(tmp_path / "student" / "model")
    file = write(tmp_path / "x.parquet", generation(["leftvote", "rightvote"]))
    arguments = (str(tmp_path / "student"), "genai-bench", f"--data={file}")
    with pytest.raises(SystemExit) as ended:
        main(["parrot", "evaluate", *arguments, f"--out={tmp_path / 'out'}"])
    assert ended.value.code == 1  # it has learned nothing, so its answers cannot be read
    result = json.loads((tmp_path / "out" / "preference.json").read_text())
    assert result["critic"]["kind"] == "transformers"
    assert {one["mode"] for one in result["measures"]} == {"pairwise", "pointwise"}
    told = capsys.readouterr().err
    assert "failed; --resume asks them again" in told


@pytest.mark.parametrize(
    ("prepared", "says"),
    [(None, "there is no student in"), ("adapter_config.json", "holds adapters")],
)
def test_what_is_no_student(
    tmp_path: Path, prepared: str | None, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if prepared:
        (tmp_path / "student").mkdir()
        (tmp_path / "student" / prepared).write_text("{}")
    with pytest.raises(SystemExit) as ended:
        main(["parrot", "evaluate", str(tmp_path / "student"), "mmrb2", "--data=x", "--out=y"])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
