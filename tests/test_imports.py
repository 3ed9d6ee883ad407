"""What is loaded when: heavy packages wait until they are needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rr_refine.torch_build import is_cpu_build

HEAVY = {"torch", "diffusers", "transformers", "accelerate", "peft", "numpy"}
FRAMEWORKS = {"langgraph", "langchain_core", "openai", "opentelemetry"}
HELP = "import sys; sys.argv = ['rr-refine', {!r}]\nfrom rr_refine.cli.main import main\n"
RUN = """
from rr_refine import refine
from rr_refine.generators.fake import create
refine("a cat", generator=create(width=48, height=32), critic="fake", out="runs")
"""


@pytest.mark.parametrize(
    ("program", "never"),
    [
        ("import rr_refine", HEAVY | FRAMEWORKS | {"PIL", "pydantic", "rich", "asyncio"}),
        ("import rr_refine.generators, rr_refine.reward", HEAVY | FRAMEWORKS | {"PIL"}),
        ("import rr_refine.agent.graph", HEAVY | {"openai", "PIL"}),
        ("import rr_refine.benchmarks.engine", HEAVY | {"openai", "PIL"}),
        ("import rr_refine.benchmarks.report", HEAVY | {"openai", "PIL"}),
        ("import rr_refine.generators.diffusers", HEAVY - {"numpy"} | FRAMEWORKS),
        ("from rr_refine import *", HEAVY | {"openai", "PIL"}),
        (HELP.format("--help") + "main()", HEAVY | FRAMEWORKS | {"PIL", "pydantic"}),
        (HELP.format("--version") + "main()", HEAVY | FRAMEWORKS | {"PIL", "pydantic"}),
        (RUN, HEAVY | {"openai"}),
    ],
)
def test_what_is_not_loaded(tmp_path: Path, program: str, never: set[str]) -> None:
    told = "import atexit, json, sys\natexit.register(lambda: print(json.dumps([*sys.modules])))\n"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", told + program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(ended.stdout.splitlines()[-1]))
    assert "rr_refine" in loaded
    assert never & loaded == set()
    assert ended.stderr == ""


@pytest.mark.skipif(not is_cpu_build(), reason="only its import tells what this torch can use")
def test_doctor_takes_no_seconds_for_torch(tmp_path: Path) -> None:
    program = HELP.format("doctor") + "main()"
    test_what_is_not_loaded(tmp_path, program, HEAVY - {"numpy"})
