"""Qwen3-VL's processor, whole, as it is in the folder of a real model.

Its part for videos needs torchvision, of which the registry has CUDA builds only. So the tests'
environment has none, and the whole processor is tried where `TORCHVISION_TEST_PATH` names a folder
with one (`.ci/run` makes it).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import JsonValue

from rr_refine.errors import MissingExtraError
from rr_refine.training.parrot.recipe import load_recipe
from rr_refine.training.parrot.student import load_student
from rr_refine.training.parrot.tiny_qwen3_vl import build_tiny_qwen3_vl
from tests.training.parrot.test_recipe import write_rows

pytest.importorskip("torch")
pytest.importorskip("trl")

TORCHVISION = os.environ.get("TORCHVISION_TEST_PATH")
ROOT = Path(__file__).parents[3]


def test_without_torchvision_the_extra_is_named(tmp_path: Path) -> None:
    build_tiny_qwen3_vl(tmp_path / "tiny")
    file = tmp_path / "tiny" / "processor_config.json"
    config = json.loads(file.read_text())
    config["video_processor"] = config["image_processor"] | {
        "image_processor_type": None,
        "video_processor_type": "Qwen3VLVideoProcessor",
    }
    file.write_text(json.dumps(config))
    part = write_rows(tmp_path / "rows.jsonl")
    changes: dict[str, JsonValue] = {
        "model": str(tmp_path / "tiny"),
        "data": [{"file": str(part.file)}],
    }
    with pytest.raises(MissingExtraError, match=r"pip install 'rr-refine\[qwen-vl\]'"):
        load_student(load_recipe("qwen3-vl-8b", changes))


def test_no_extra_that_tests_install_has_torchvision() -> None:
    """A CPU build of torch could not import it."""
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    having = {name for name, needs in extras.items() if "torchvision" in " ".join(needs)}
    assert having == {"qwen-vl"}
    assert not any("qwen-vl" in need for needs in extras.values() for need in needs)


@pytest.mark.skipif(not TORCHVISION, reason="TORCHVISION_TEST_PATH names no folder")
def test_the_8b_recipe_trains_a_model_with_the_whole_processor(tmp_path: Path) -> None:
    part = write_rows(tmp_path / "data" / "sft" / "parrot.jsonl")
    for picture in part.file.parent.glob("*.png"):
        picture.rename(tmp_path / "data" / picture.name)
    program = """
import sys, torchvision_operators
from pathlib import Path
from rr_refine.cli.main import main
from rr_refine.reward.local_model import load_processor
from rr_refine.training.parrot.tiny_qwen3_vl import build_tiny_qwen3_vl

build_tiny_qwen3_vl(Path("tiny"))
for folder in ("tiny", "out/model"):
    if folder == "out/model":
        try:
            main(sys.argv[1:])
        except SystemExit as ended:
            assert not ended.code, ended.code
    processor = load_processor(folder)
    assert type(processor).__name__ == "Qwen3VLProcessor"
    assert type(processor.video_processor).__name__ == "Qwen3VLVideoProcessor", folder
"""
    for arguments in (
        ("--model=tiny", "--data=data", "--out=out", "--max-steps=1"),
        ("--dry-run",),
    ):
        command = ("parrot", "sft", "--recipe=qwen3-vl-8b", *arguments)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, *command],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": f"{TORCHVISION}{os.pathsep}{ROOT / 'tests' / 'vllm'}"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "processor: whole" in done.stdout


def test_the_configuration_of_fsdp2_fits_the_model(tmp_path: Path) -> None:
    """What the docs tell to launch with; a launch on several devices is not tried."""
    import trl
    from accelerate.commands.config.config_args import load_config_from_file
    from transformers import Qwen3VLForConditionalGeneration

    file = Path(trl.__path__[0]) / "accelerate_configs" / "fsdp2.yaml"
    config = load_config_from_file(str(file))
    assert config.distributed_type == "FSDP"
    assert config.fsdp_config["fsdp_version"] == 2
    assert config.fsdp_config["fsdp_auto_wrap_policy"] == "TRANSFORMER_BASED_WRAP"
    assert config.mixed_precision == "bf16"
    build_tiny_qwen3_vl(tmp_path / "tiny")
    model = Qwen3VLForConditionalGeneration.from_pretrained(tmp_path / "tiny")
    there = {type(module).__name__ for module in model.modules()}
    assert set(model._no_split_modules or ()) & there  # what is wrapped, one by one
