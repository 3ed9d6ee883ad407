"""The whole proof in small: the loop on scripted models, graded by the oracle."""

from __future__ import annotations

from pathlib import Path

from rr_refine.benchmarks.arms import make_arms
from rr_refine.benchmarks.cache import Cache
from rr_refine.benchmarks.engine import Models
from rr_refine.benchmarks.measure import measure
from rr_refine.benchmarks.results import ArmResult
from rr_refine.sketch.bench.rewriter import NAME
from rr_refine.sketch.bench.tasks import SketchTask, as_benchmark, edits, requests
from tests.benchmarks.world import Eye, Painter


async def arms_of(out: Path, tasks: tuple[SketchTask, ...]) -> dict[str, ArmResult]:
    with Cache(out / "cache") as cache:
        results = await measure(
            as_benchmark("sketch", tasks),
            make_arms(2, blind=NAME),
            Models(Painter(), Eye()),
            cache,
            out,
            renders=2,
        )
    assert results is not None
    return {arm.arm: arm for arm in results.arms}


async def test_a_dense_prompt_is_what_it_takes(tmp_path: Path) -> None:
    arms = await arms_of(tmp_path, requests("dev", 4))
    assert {name: arm.exact.value for name, arm in arms.items()} == {
        "one-shot": 0.0,
        "best-of-n": 0.0,
        "blind-rewrite": 1.0,
        "blind-rewrite-best-of-n": 1.0,
        "paper": 1.0,
        "rewrite-first": 1.0,
        "refine": 1.0,
    }
    assert [point.exact.value for point in arms["refine"].curve] == [0.0, 1.0]
    assert all(arm.regressions.regressed.value == 0 and not arm.failed for arm in arms.values())
    assert set(arms["refine"].exact_by) == {"difficulty", "register"}


async def test_edits(tmp_path: Path) -> None:
    arms = await arms_of(tmp_path, edits("dev", 2))
    assert {name: arm.exact.value for name, arm in arms.items() if "best" not in name} == {
        "one-shot": 0.0,
        "blind-rewrite": 1.0,
        "paper": 1.0,
        "rewrite-first": 1.0,
        "refine": 1.0,
    }
