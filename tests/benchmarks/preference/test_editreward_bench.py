from __future__ import annotations

from pathlib import Path

import pytest

from rr_refine.benchmarks.preference import editreward_bench
from rr_refine.benchmarks.preference.evaluate import evaluate_preference
from rr_refine.benchmarks.preference.item import PreferenceItem
from rr_refine.benchmarks.preference.protocol import ProtocolResult
from rr_refine.benchmarks.preference.results import PreferenceResult
from rr_refine.errors import ConfigError, CriticError, CriticTimeout, CriticUnreadable
from tests.benchmarks.preference.files import ranked, write
from tests.benchmarks.preference.judges import Judge

GROUPS = [(200, 50), (50, 200), (90, 90), (200, 120, 40), (40, 200, 120), (250, 180, 110, 40)]
"""Qualities of the edits of each group. Comparisons: 3 of two edits, one of them a tie, 6 of three,
6 of four; A is better in all of the fourth group and of the last."""


def by_protocol(result: PreferenceResult) -> dict[str, ProtocolResult]:
    return {f"{one.protocol} {one.mode}": one for one in result.measures}


def write_all(folder: Path) -> Path:
    """As the hub has it: a folder for each number of edits, with a split of one name."""
    for size in (2, 3, 4):
        rows = [row for row in ranked(GROUPS) if row["num_candidates"] == size]
        write(folder / f"{size}pair" / "train-00000-of-00001.parquet", rows)
    return folder


async def test_always_right(tmp_path: Path) -> None:
    data = editreward_bench.load(write_all(tmp_path))
    assert data.notes == ()
    assert list(data.files) == [f"{k}pair/train-00000-of-00001.parquet" for k in (2, 3, 4)]
    found = by_protocol(
        await evaluate_preference(data, Judge(), tmp_path, modes=("pairwise", "pointwise"))
    )
    assert {name: (one.units, one.pairs) for name, one in found.items()} == {
        f"{name} {mode}": sizes
        for name, sizes in {
            "K2": (3, 3),
            "K3": (2, 6),
            "K4": (1, 6),
            "overall": (6, 15),
            "non-tie": (14, 14),
        }.items()
        for mode in ("pairwise", "pointwise")
    }
    for one in found.values():
        assert one.accuracy.value == 1
        assert one.official == (1.0 if one.mode == "pairwise" else None)


async def test_always_the_first(tmp_path: Path) -> None:
    data = editreward_bench.load(write_all(tmp_path))
    found = by_protocol(await evaluate_preference(data, Judge("first"), tmp_path))
    assert found["non-tie pairwise"].accuracy.value == 0.5
    # Of the pairs of two: half of each with a winner, none of the tie.
    assert found["K2 pairwise"].accuracy.value == 1 / 3
    assert found["K2 pairwise"].official == 1 / 3
    # The group in which A is always better is right in the file's order, and only in that; in the
    # other one (40, 200, 120) both orders are wrong somewhere.
    assert found["K3 pairwise"].accuracy.value == 0.5 / 2
    assert found["K3 pairwise"].official == 1 / 2
    assert found["K4 pairwise"].accuracy.value == 0.5
    assert found["K4 pairwise"].official == 1.0
    assert found["overall pairwise"].accuracy.value == (1 + 0.5 + 0.5) / 6
    assert found["overall pairwise"].official == 3 / 6


async def test_ties_are_a_class(tmp_path: Path) -> None:
    """A=B is neither A>B nor a row to be left out."""
    data = editreward_bench.load(write(tmp_path / "x.parquet", ranked([(90, 90), (200, 50)])))
    tie = by_protocol(await evaluate_preference(data, Judge("tie"), tmp_path))
    assert (tie["K2 pairwise"].accuracy.value, tie["K2 pairwise"].official) == (1 / 2, 1 / 2)
    assert tie["non-tie pairwise"].accuracy.value == 0
    first = by_protocol(await evaluate_preference(data, Judge("first"), tmp_path))
    assert first["K2 pairwise"].official == 1 / 2  # the second pair, not the tie


async def test_failures(tmp_path: Path) -> None:
    data = editreward_bench.load(write_all(tmp_path))
    faults: dict[str, CriticError] = {
        "request 0.0": CriticTimeout("too slow"),
        "request 1.0": CriticUnreadable("no score", "I like it"),
        **{f"request 3.{n}": CriticTimeout("too slow") for n in range(3)},
        "request 4.1": CriticTimeout("too slow"),
    }
    found = by_protocol(await evaluate_preference(data, Judge(fails=faults.get), tmp_path))
    # Of three pairs one is right; officially the one without an answer leaves.
    assert (found["K2 pairwise"].accuracy.value, found["K2 pairwise"].official) == (1 / 3, 1 / 2)
    # One group without any answer leaves; the other one is not whole, and wrong.
    assert (found["K3 pairwise"].accuracy.value, found["K3 pairwise"].official) == (0, 0)
    assert found["K3 pairwise"].failures == {"CriticTimeout": 4}
    # Overall, no group ever leaves: the tie and the four.
    assert found["overall pairwise"].accuracy.value == 2 / 6
    assert found["overall pairwise"].official == 2 / 6
    # 14 comparisons with a winner, 6 of them failed.
    assert found["non-tie pairwise"].accuracy.value == 8 / 14
    assert found["non-tie pairwise"].official == 1.0


async def test_groups_that_lack_comparisons(tmp_path: Path) -> None:
    rows = ranked([(200, 120, 40), (200, 50)])
    data = editreward_bench.load(write(tmp_path / "x.parquet", rows[1:]))
    (note,) = data.notes
    assert note.startswith("1 of 2 groups lack comparisons")
    found = by_protocol(await evaluate_preference(data, Judge(), tmp_path))
    assert (found["K3 pairwise"].accuracy.value, found["K3 pairwise"].official) == (1, 0)


async def test_a_group_with_a_broken_picture_is_no_group(tmp_path: Path) -> None:
    rows = ranked([(200, 120, 40), (40, 120, 200)])
    rows[1]["candidate_2"] = {"bytes": b"nothing", "path": "x.png"}
    data = editreward_bench.load(write(tmp_path / "x.parquet", rows))
    result = await evaluate_preference(data, Judge(), tmp_path)
    found = by_protocol(result)
    assert result.skipped == {"a picture that cannot be read": 1}
    assert (found["K3 pairwise"].units, found["K3 pairwise"].pairs) == (1, 3)
    assert found["non-tie pairwise"].pairs == 5


async def test_groups_are_selected_whole(tmp_path: Path) -> None:
    data = editreward_bench.load(write_all(tmp_path))
    result = await evaluate_preference(data, Judge(), tmp_path, limit=5)
    assert result.selection == "limit 5"
    # Three pairs of two, and both groups of three.
    assert (result.rows, result.measures[-2].units) == (9, 5)


def test_letters_of_the_edits(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    rows = ranked([(40, 200, 120)])
    assert [row["ranking"] for row in rows] == ["B>A", "C>A", "B>C"]
    items = list(editreward_bench.load(write(tmp_path / "x.parquet", rows)).read())
    assert [i.truth for i in items if isinstance(i, PreferenceItem)] == ["B", "B", "A"]
    assert [i.size for i in items if isinstance(i, PreferenceItem)] == [3, 3, 3]
    assert [i.group for i in items] == ["3pair/g0"] * 3


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("ranking", "A>C", "the label 'A>C' is none of"),
        ("comparison_type", "A,B", "comparison_type 'A,B' is not like 'AvsB'"),
        ("dataset", "5pair", "dataset '5pair' is none of 2pair, 3pair, 4pair"),
        ("id", "g0_0", "the id 'g0_0' of '2pair' is there twice"),
    ],
)
def test_broken_rows(tmp_path: Path, column: str, value: str, message: str) -> None:
    rows = ranked([(200, 50), (200, 50)])
    rows[1][column] = value
    with pytest.raises(ConfigError, match=f"row 1 of .*{message}"):
        editreward_bench.load(write(tmp_path / "x.parquet", rows))


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("My verdict is [[A>B]].", "A>B"),
        ("[[B > A]]", "B>A"),
        ("[[a=b]]", "A=B"),
        ("[[A==B]]", "A=B"),
        ("[[A=B=Good]]", "A=B"),
        ("[[A>B]] rather than [[B>A]]", "A>B"),
        (r"\boxed{B>A}", "B>A"),
        ("[A>B]", "A>B"),
        ("Answer: b>a.", "B>A"),
        ("I say B > A, surely", "B>A"),
        ("A<B", None),
        ("[[neither]] but B is better", "B>A"),
        ("Model A is better", "A>B"),
        ("They are the same", "A=B"),
        ("It has good properties", "A=B"),
        ("no difference", "A=B"),
        ("both are good", "A=B"),
        ("The panda is better", None),
        ("left is better", None),
        ("", None),
    ],
)
def test_official_parse_of_two(text: str, verdict: str | None) -> None:
    assert editreward_bench.official_parse(text) == verdict


@pytest.mark.parametrize(
    ("text", "comparison", "size", "verdict"),
    [
        ("[[B>C]]", "BvsC", 3, "B>C"),
        ("[[A>B]]", "BvsC", 3, "A>B"),
        ("[[Left>Right]]", "BvsC", 3, "B>C"),
        ("[right>left]", "AvsC", 3, "C>A"),
        ("Label: C>A", "AvsC", 3, "C>A"),
        ("[[A=C]]", "AvsC", 3, None),
        ("They are the same", "AvsC", 3, None),
        ("C is better", "BvsC", 3, "C>B"),
        ("A is better", "BvsC", 3, "A>B"),
        ("The left image is better", "BvsD", 4, "B>D"),
        ("right is better", "BvsD", 4, "D>B"),
        ("[[C>D]]", "CvsD", 4, "C>D"),
        ("[[C>D]]", "CvsD", 3, None),
        ("D > B, clearly", "BvsD", 4, "D>B"),
    ],
)
def test_official_parse_of_more(text: str, comparison: str, size: int, verdict: str | None) -> None:
    assert editreward_bench.official_parse(text, comparison, size) == verdict
