"""What WISE (Verified) reads and counts: examples that the official scripts were run on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rr_refine.benchmarks.published.wise.scoring import (
    Suite,
    WiseLines,
    category_of,
    clean_answer,
    official_parse,
    official_score,
    plain_score,
    read_lines,
    tolerant_parse,
)


@pytest.mark.parametrize(
    ("answer", "score", "tolerant"),
    [
        ("Score: 1\n", 1, 1),
        ("All correct. **Score**: 0", 0, 0),
        ("**Score:** 0", None, 0),
        ("Score: 100", None, None),
        ("Score: 0.9", 0, 0),
        ("Verdict:\n1", 1, 1),
        ("Verdict: 1", None, 1),
        ("0\n1", None, None),
        ("underscore 1", 1, 1),  # also inside of a word
        ("Score：1", None, 1),  # a full-width colon
        ("SCORE\n\n:\t0", 0, 0),
        ("Score: 1 or Score: 0", 1, 1),  # the first
        ("Scores: 1", None, None),
        ("Score: 2\n1", 1, 1),
        ("Score 1x", None, 1),
        ("", None, None),
    ],
)
def test_one_answer(answer: str, score: int | None, tolerant: int | None) -> None:
    assert official_parse(answer) == score
    assert tolerant_parse(answer) == tolerant


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("<think>Score: 1</think>\n Score: 0 ", "Score: 0"),
        ("<think>\na\n</think>b<think>c</think> d", "bd"),
        ("Score: 1 is it</think> Score: 0", "Score: 1 is itScore: 0"),  # only the mark goes
        ("<think>Score: 1", "<think>Score: 1"),
    ],
)
def test_thoughts_are_no_answer(answer: str, left: str) -> None:
    assert clean_answer(answer) == left


def test_categories_are_by_the_id() -> None:
    ends = (0, 1, 400, 401, 520, 521, 640, 641, 760, 761, 880, 881, 1000, 1001)
    assert [category_of(number) for number in ends] == [
        None, "CULTURE", "CULTURE", "TIME", "TIME", "SPACE", "SPACE", "BIOLOGY", "BIOLOGY",
        "PHYSICS", "PHYSICS", "CHEMISTRY", "CHEMISTRY", None,
    ]  # fmt: skip


def all_ids(right: range) -> tuple[tuple[int, float | None], ...]:
    return tuple((number, float(number in right)) for number in range(1, 1001))


def lines_of(scores: tuple[tuple[int, float | None], ...]) -> WiseLines:
    return WiseLines(frozenset(number for number, _ in scores), scores)


def test_the_whole_is_weighted_and_in_two_digits() -> None:
    found = official_score([lines_of(all_ids(range(390, 470)))], "all")
    # 11 of 400 and 69 of 120: 0.4 * 0.0275 + 0.12 * 0.575
    assert found == {
        "overall": 0.08, "CULTURE": 0.03, "TIME": 0.57, "SPACE": 0, "BIOLOGY": 0, "PHYSICS": 0,
        "CHEMISTRY": 0,
    }  # fmt: skip


def test_one_id_without_a_line_costs_all() -> None:
    whole = all_ids(range(500))
    without = tuple(pair for pair in whole if pair[0] not in (7, 900))
    found = official_score([lines_of(without)], "all")
    assert found["overall"] is None
    assert "2 of 1000 ids have no line (7, 900)" in str(found["notes"])
    # A line without a score is a line.
    there = official_score([lines_of((*without, (7, None), (900, None)))], "all")
    assert (there["overall"], there["CULTURE"]) == (0.5, 1.0)
    # Lines that are there twice count twice.
    twice = official_score([lines_of(whole), lines_of(((641, 1.0),) * 120)], "all")
    assert twice["BIOLOGY"] == 0.5


@pytest.mark.parametrize(
    ("suite", "names"),
    [
        ("culture", {"overall", "CULTURE"}),
        ("space-time", {"overall", "TIME", "SPACE"}),
        ("science", {"overall", "BIOLOGY", "PHYSICS", "CHEMISTRY"}),
    ],
)
def test_a_part_has_no_overall_value(suite: Suite, names: set[str]) -> None:
    ranges = {"culture": (1, 401), "space-time": (401, 641), "science": (641, 1001)}
    part = tuple((number, 1.0) for number in range(*ranges[suite]))
    found = official_score([lines_of(part)], suite)
    assert set(found) == names and found["overall"] is None
    assert "notes" in official_score([lines_of(part[1:])], suite)


def test_what_there_is_in_four_digits() -> None:
    scores = all_ids(range(1, 400))[:520]
    assert plain_score([*scores, (600, None)]) == {
        "overall": None, "CULTURE": 0.9975, "TIME": 0.0, "samples": 520,
    }  # fmt: skip
    assert plain_score(all_ids(range(1, 300)))["overall"] == 0.299


def test_lines_are_read_as_officially(tmp_path: Path) -> None:
    file = tmp_path / "x_scores_results.jsonl"
    rows = [
        json.dumps({"prompt_id": 1, "Subcategory": "Art", "score": 1.0}),
        json.dumps({"prompt_id": 2, "score": None}),
        json.dumps({"prompt_id": 3, "score": 0.5}),
        json.dumps({"prompt_id": 4, "score": "1"}),
        json.dumps({"prompt_id": "5", "score": 1}),
        json.dumps({"score": 1}),
        "no JSON",
        "",
        json.dumps({"prompt_id": 6, "score": True}),
        json.dumps({"prompt_id": 1, "score": 0}),
        json.dumps({"prompt_id": 1001, "score": 1}),
        '{"prompt_id": 7, "score": NaN}',
    ]
    file.write_text("\r\n".join(rows), newline="")
    found = read_lines(file)
    assert found is not None
    assert found.scores == (
        (1, 1), (2, None), (3, None), (4, None), (6, 1), (1, 0), (1001, 1), (7, None),
    )  # fmt: skip
    assert found.present == {1, 2, 3, 4, 6, 7, 1001}
    # What is JSON and no object ends the reading of the file, and all of it is lost.
    for broken in (b"[1]\n", b"null\n", b"\xff\n", b"[" * 100_000 + b"\n"):
        file.write_bytes(rows[0].encode() + b"\n" + broken)
        assert read_lines(file) is None
