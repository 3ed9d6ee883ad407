from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from rr_refine.benchmarks.arms import make_arms
from rr_refine.benchmarks.item import Mark
from rr_refine.benchmarks.report import write_report
from rr_refine.benchmarks.results import Provenance, Results, summarise
from rr_refine.benchmarks.table import percent, points, write_tables
from rr_refine.benchmarks.trial import Point, Shot, Trial
from rr_refine.terms import Identity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ARMS = make_arms(2, names=["one-shot", "best-of-n", "refine"])
SOURCE = Provenance(
    benchmark="hats",
    renders=2,
    generator=Identity(kind="test", name="painter"),
    critic=Identity(kind="test", name="eye"),
    versions={"rr-refine": "0"},
    settings={"generator.use": "painter"},
    seconds=1.0,
    made={"render": 3},
)


def point(score: float | None, spent: int) -> Point:
    """A picture of this score; exact at 4. None is no picture."""
    if score is None:
        return Point(spent=spent, shot=None)
    mark = Mark(exact=score == 4.0, score=score)
    return Point(spent=spent, shot=Shot(candidate="r0c0", image="0" * 64, reward=0.5, mark=mark))


def trial(arm: str, item: int, *scores: float | None, first: float | None = None) -> Trial:
    """A trial by the scores with 1, 2, … renders allowed."""
    most = 1 if arm == "one-shot" else len(scores)
    return Trial(
        arm=arm,
        item=f"item-{item}",
        labels={"difficulty": "easy" if item < 2 else "hard"},
        run=f"runs/{arm}/item-{item}",
        first=point(scores[0] if first is None else first, 1),
        points=tuple(point(score, min(i, most)) for i, score in enumerate(scores, 1)),
        critic_calls=len(scores),
        stop="target",
        faults=(),
        error=None if scores[-1] is not None else "GeneratorError: no brush",
    )


TRIALS = [
    *(trial("one-shot", i, s, s) for i, s in enumerate([4.0, 2.0, 3.0, None])),
    *(trial("best-of-n", i, 2.0, s) for i, s in enumerate([4.0, 4.0, 2.0, 2.0])),
    # Lost exactness; slightly worse, which is none; much worse; better.
    trial("refine", 0, 4.0, 3.95),
    trial("refine", 1, 3.0, 2.9),
    trial("refine", 2, 3.0, 2.5),
    trial("refine", 3, 1.0, 4.0),
]


@pytest.fixture(scope="module")
def results() -> Results:
    return summarise(TRIALS, ARMS, SOURCE)


def test_rates(results: Results) -> None:
    one_shot, best_of_n, refine = results.arms
    assert [arm.exact.value for arm in results.arms] == [0.25, 0.5, 0.25]
    assert one_shot.score.value == pytest.approx((4.0 + 2.0 + 3.0 + 1.0) / 4), "no picture has 1"
    assert (one_shot.failed, best_of_n.failed) == (1, 0)
    assert refine.renders == 2.0
    assert refine.critic_calls == 2.0
    assert refine.stops == {"target": 4}
    by = best_of_n.exact_by["difficulty"]
    assert {name: (found.value, found.items) for name, found in by.items()} == {
        "easy": (1.0, 2),
        "hard": (0.0, 2),
    }


def test_regressions(results: Results) -> None:
    found = results.arms[2].regressions
    assert found.lost.value == 0.25
    assert found.worse.value == 0.25
    assert found.regressed.value == 0.5
    assert results.arms[0].regressions.regressed.value == 0.0


def test_differences(results: Results) -> None:
    gaps = {(d.arm, d.baseline): d.exact.value for d in results.differences}
    assert gaps == {
        ("one-shot", "best-of-n"): -0.25,
        ("best-of-n", "one-shot"): 0.25,
        ("refine", "one-shot"): 0.0,
        ("refine", "best-of-n"): -0.25,
    }
    hard = next(d for d in results.differences if d.arm == "refine" and d.baseline == "best-of-n")
    assert hard.exact_by["difficulty"]["easy"].value == -1.0
    assert hard.exact_by["difficulty"]["hard"].value == 0.5
    assert hard.score.value == pytest.approx((-0.05 - 1.1 + 0.5 + 2.0) / 4)


def test_curves(results: Results) -> None:
    curve = results.arms[1].curve
    assert [(p.allowed, p.spent, p.exact.value, p.score.value) for p in curve] == [
        (1, 1.0, 0.0, 2.0),
        (2, 2.0, 0.5, 3.0),
    ]


@pytest.mark.parametrize("trials", [TRIALS[:-1], [*TRIALS, trial("refine", 9, 1.0, 1.0)]])
def test_arms_over_other_items_are_no_comparison(trials: Sequence[Trial]) -> None:
    with pytest.raises(ValueError, match="different items"):
        summarise(trials, ARMS, SOURCE)


def test_tables(results: Results) -> None:
    page = write_tables(results)
    lines = [line for line in page.splitlines() if line.startswith("| refine")]
    assert len(lines) == 2, "one of arms, one by difficulty"
    assert percent(results.arms[2].exact) in lines[0]
    gap = next(d for d in results.differences if (d.arm, d.baseline) == ("refine", "best-of-n"))
    assert points(gap.exact) in lines[0]
    assert "50.0 %" in lines[0]
    assert "failed" in page, "where something failed it is said"


def test_files(results: Results, tmp_path: Path) -> None:
    write_report(tmp_path / "new", results, TRIALS)
    folder = tmp_path / "new"
    assert Results.model_validate_json((folder / "results.json").read_text()) == results
    lines = (folder / "trials.jsonl").read_text().splitlines()
    assert [Trial.model_validate_json(line) for line in lines] == TRIALS
    assert (folder / "table.md").read_text() == write_tables(results)
    for name in ("exact.svg", "score.svg"):
        root = ET.parse(folder / name).getroot()
        words = "".join(root.itertext())
        assert all(arm.name in words for arm in ARMS)
        heights = [float(y) for e in root.iter() if (y := e.get("cy"))]
        assert len(heights) == 1 + 2 + 2, "one-shot has one point, the others two"
        assert all(0 < height < float(root.get("height", 0)) for height in heights)
    assert sorted(p.name for p in folder.iterdir()) == [
        "exact.svg",
        "results.json",
        "score.svg",
        "table.md",
        "trials.jsonl",
    ]
