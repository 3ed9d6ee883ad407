"""The simulation behind docs/capacity.md, against sums done by hand."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent.parent / "docs" / "capacity.py"


@pytest.fixture(scope="module")
def capacity() -> Any:
    spec = importlib.util.spec_from_file_location("capacity", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["capacity"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_item_alone(capacity: Any) -> None:
    """Nobody waits: two rounds of 0.02 + 5 + 0.35 + 4 s."""
    result = capacity.simulate(capacity.Setup(workers=3, items=1, rounds=2, spread=0))
    assert result.wall == pytest.approx(18.74)
    assert result.busy["workers"] == pytest.approx(10 / (3 * 18.74))


@pytest.mark.parametrize(
    ("setup", "rate", "busiest"),
    [
        # 4 workers of 2 s make 2/s; 8 cores could pack 8/s, the loop 50/s
        ({"workers": 4, "render": 2, "pixels": 1}, 2.0, "workers"),
        # 4 cores that need 2 s a picture pack 2/s
        ({"workers": 40, "render": 2, "pixels": 2, "cores": 4}, 2.0, "cores"),
        # 0.25 s of the loop for each: 4/s
        ({"workers": 40, "render": 2, "loop": 0.25}, 4.0, "event loop"),
    ],
)
def test_the_slowest_station_sets_the_pace(
    capacity: Any, setup: dict[str, float], rate: float, busiest: str
) -> None:
    result = capacity.simulate(capacity.Setup(items=400, **setup))
    assert result.rate == pytest.approx(rate, rel=0.02)
    assert max(result.busy, key=result.busy.get) == busiest
    assert result.busy[busiest] > 0.9


def test_the_page_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
