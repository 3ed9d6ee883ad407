from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.benchmarks.view import view_of
from tests.benchmarks.published.unigenbench.files import answer, small


def test_what_the_official_number_hides(tmp_path: Path) -> None:
    bench = small(tmp_path)  # 0_0: Style, Quantity, Color; 1_0: Animal, Negation
    marks = {"0_0": bench.read(bench.items[0], answer(1, 1, 0)), "1_0": None, "9_9": None}
    view = view_of(bench, marks)
    assert (view.items, view.judged, view.failed, view.absent) == (2, 1, 1, 0)
    # Judged only: Style 1/1, Attribute 1/2; with failures as zero, Action 0/1 and Grammar 0/1 too.
    assert view.counted.macro == pytest.approx((1 + 0.5) / 2)
    assert view.counted.micro == pytest.approx(2 / 3)
    assert view.failures_as_zero.macro == pytest.approx((1 + 0.5 + 0 + 0) / 4)
    assert view.failures_as_zero.micro == pytest.approx((2 / 3 + 0) / 2)
    assert view.failures_as_zero.dimensions["Attribute - Color"] == 0


def test_nothing_judged(tmp_path: Path) -> None:
    view = view_of(small(tmp_path), {})
    assert (view.judged, view.failed, view.absent) == (0, 0, 2)
    assert view.counted.macro is view.counted.micro is None
    assert view.failures_as_zero.micro == 0
