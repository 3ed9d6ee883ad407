"""The oracle of the small world grades, and helps nothing that is graded."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOOP = [
    "rr_refine.reward.evidence.ocr",
    "rr_refine.reward.evidence.text_match",
    "rr_refine.wanted_text",
    "rr_refine.agent.measured",
    "rr_refine.agent.routing",
    "rr_refine.agent.acceptance",
    "rr_refine.agent.rewriting.critic",
    "rr_refine.agent.rewriting.rules",
    "rr_refine.sketch.critic",
    "rr_refine.sketch.rewriter",
    "rr_refine.sketch.intent",
]


@pytest.mark.parametrize("group", ["loop", "refine"])
def test_nothing_that_steers_knows_the_oracle(group: str) -> None:
    modules = LOOP if group == "loop" else ["rr_refine.agent.refine", "rr_refine.cli.refine"]
    script = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "print([name for name in sys.modules if name.startswith('rr_refine.sketch.oracle')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
