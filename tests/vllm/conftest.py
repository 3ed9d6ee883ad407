from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="session")
def vllm_python() -> str:
    """The Python of the environment that `.ci/vllm` makes, or of the one that was named."""
    named = os.environ.get("VLLM_TEST_PYTHON")
    python = Path(named) if named else ROOT / ".venv-vllm" / "bin" / "python"
    if not python.exists():
        pytest.skip(
            f"no vLLM at {python}: make an environment with `.ci/vllm`, "
            "or name a Python that has one in VLLM_TEST_PYTHON"
        )
    return str(python)


@pytest.fixture(scope="session")
def tiny_model(vllm_python: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny Qwen3-VL, made with the libraries that are to load it."""
    folder = tmp_path_factory.mktemp("model") / "tiny-qwen3-vl"
    subprocess.run(
        [vllm_python, str(HERE / "tiny_qwen3_vl.py"), str(folder)], check=True, capture_output=True
    )
    return str(folder)
