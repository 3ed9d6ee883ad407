from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.benchmarks.preference import genai_bench
from rr_refine.benchmarks.preference.evaluate import evaluate_preference
from rr_refine.benchmarks.preference.protocol import ProtocolResult
from rr_refine.benchmarks.preference.results import PreferenceResult
from rr_refine.errors import CriticError, CriticTimeout, CriticUnreadable
from rr_refine.statistics import estimate
from tests.benchmarks.preference.files import edition, generation, write
from tests.benchmarks.preference.judges import Judge

VOTES = ["leftvote", "leftvote", "rightvote", "tievote", "bothbad_vote"]


def by_protocol(result: PreferenceResult) -> dict[str, ProtocolResult]:
    return {f"{one.protocol}, {one.mode}": one for one in result.measures}


@pytest.mark.parametrize("edits", [False, True])
async def test_always_right(tmp_path: Path, edits: bool) -> None:
    file = write(tmp_path / "x.parquet", (edition if edits else generation)(VOTES))
    result = await evaluate_preference(
        genai_bench.load(file), Judge(), tmp_path, modes=("pairwise", "pointwise")
    )
    assert result.labels == {"A": 2, "B": 1, "both_bad": 1, "tie": 1}
    found = by_protocol(result)
    assert len(found) == 4
    for name, one in found.items():
        assert (one.accuracy.value, one.accuracy.high) == (1, 1), name
        assert one.accuracy == estimate([1.0] * one.pairs), name
        assert one.official == (1.0 if one.mode == "pairwise" else None)
        assert one.pairs == (5 if one.protocol == "4-class" else 3)


async def test_always_the_first(tmp_path: Path) -> None:
    file = write(tmp_path / "x.parquet", generation(VOTES))
    found = by_protocol(await evaluate_preference(genai_bench.load(file), Judge("first"), tmp_path))
    # Each of the three pairs with a winner is right in one order.
    assert found["non-tie, pairwise"].accuracy.value == 0.5
    assert found["4-class, pairwise"].accuracy.value == 1.5 / 5
    # In the file's order only: the two that voted left.
    assert found["non-tie, pairwise"].official == 2 / 3
    assert found["4-class, pairwise"].official == 2 / 5
    for one in found.values():
        assert one.both_orders is not None and one.both_orders.value == 0
        assert one.consistent is not None and one.consistent.value == 0
        assert one.first is not None and one.first.value == 1


async def test_always_a_tie(tmp_path: Path) -> None:
    file = write(tmp_path / "x.parquet", generation(VOTES))
    result = await evaluate_preference(
        genai_bench.load(file), Judge("tie"), tmp_path, modes=("pairwise", "pointwise")
    )
    for one in result.measures:
        # Right where people saw a tie, good or bad; wrong where they preferred one.
        assert one.accuracy.value == (2 / 5 if one.protocol == "4-class" else 0)
        assert one.first is None


async def test_failures_are_in_the_denominator(tmp_path: Path) -> None:
    file = write(tmp_path / "x.parquet", generation(VOTES))
    faults: dict[str, CriticError] = {
        "request 0": CriticTimeout("too slow"),
        "request 3": CriticUnreadable("no score", "I like it"),
    }
    judge = Judge(fails=faults.get)
    result = await evaluate_preference(genai_bench.load(file), judge, tmp_path)
    found = by_protocol(result)
    whole, decided = found["4-class, pairwise"], found["non-tie, pairwise"]
    assert (whole.accuracy.value, whole.official) == (3 / 5, 3 / 5)
    # Of pairs with a winner, the first failed: ours 2 of 3, the reference drops it.
    assert (decided.accuracy.value, decided.official) == (2 / 3, 1.0)
    assert result.failures == {"CriticTimeout": 1, "CriticUnreadable": 1}
    assert decided.failures == {"CriticTimeout": 1}
    lines = (tmp_path / "pairs.jsonl").read_text()
    assert '"raw":"I like it"' in lines
    assert lines.count('"unanswered":true') == 1


async def test_every_dimension_decides(tmp_path: Path) -> None:
    """The reference reads no physical quality, so that only text faithfulness decides there."""
    file = write(tmp_path / "x.parquet", edition(VOTES))
    result = await evaluate_preference(genai_bench.load(file), Judge("physics"), tmp_path)
    assert [one.accuracy.value for one in result.measures] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("[[A>B]]", "A>B"),
        ("Left is better.\n\nFinal: [[B>A]].", "B>A"),
        ("[[A>>B]]", "A>B"),
        ("[[B>>A]]", "B>A"),
        ("[[A=B]]", "A=B"),
        ("[[A=B=Good]]", "A=B=Good"),
        ("[[A=B=Bad]]", "A=B=Bad"),
        ("[[A>B]] or [[B>A]]", None),
        ("[[A>B]] and [[A>B]]", None),
        ("[[A>B]]\n[[B>A]]", "A>B"),
        ("[[a>b]]", None),
        ("[[A > B]]", None),
        ("[A>B]", None),
        ("[[A>\nB]]", None),
        ("[[nothing]]\n[[A>B]]", None),
        ("", None),
    ],
)
def test_official_parse(text: str, verdict: str | None) -> None:
    assert genai_bench.official_parse(text) == verdict
