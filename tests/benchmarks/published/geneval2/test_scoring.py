"""What GenEval 2 counts: examples that the official script was run on."""

from __future__ import annotations

import pytest

from rr_refine.benchmarks.published.geneval2.scoring import (
    first_tokens,
    hard_score,
    official_analysis,
    official_score,
    soft_score,
)

ANY = "Are there any pigs in the image?"
MANY = "How many pigs are in the image?"


@pytest.mark.parametrize(
    ("question", "answer", "tokens", "soft", "hard"),
    [
        (ANY, "Yes", {"Yes": 0.7, "yes": 0.1, "No": 0.2}, 0.8, 1),
        (ANY, "Yes", {"No": 0.6, " Yes": 0.4}, 0.4, 0),
        (ANY, "Yes", {"YES": 0.8, "Yes": 0.2}, 0.2, 1),
        (ANY, "No", {"No": 0.9, "Yes": 0.1}, 0.1, 0),  # whatever the data say
        (MANY, "three", {"3": 0.6, "three": 0.25, "4": 0.15}, 0.85, 1),
        (MANY, "three", {" ": 0.55, "3": 0.45}, 1.0, 0),  # a bare blank is the first of " 3"
        (MANY, "three", {"Three": 0.4, "Four": 0.6}, 0.4, 0),
        (MANY, "three", {" Three": 0.7, " three": 0.3}, 1.0, 1),
        (MANY, "six", {"5": 0.5, "6": 0.3, "six": 0.1, "Six": 0.1}, 0.5, 0),
        (MANY, "two", {"Yes": 0.9, "2": 0.1}, 0.1, 0),
        (MANY, "ten", {"1": 0.6, "ten": 0.4}, 1.0, 0),  # the official vocabulary parts digits
        (MANY, "three", {" 3": 0.6, "4": 0.4}, 0.6, 1),  # others need not
        (MANY, "eleven", {"other": 0.5, "eleven": 0.5}, 1.0, 1),  # the script knows ten numbers
        (MANY, "Three", {"Three": 0.4, "No": 0.6}, 0.8, 0),  # a form that occurs twice
        ("how many pigs?", "three", {"three": 0.9, "yes": 0.1}, 0.1, 0),  # case matters
    ],
)
def test_one_question(
    question: str, answer: str, tokens: dict[str, float], soft: float, hard: int
) -> None:
    assert soft_score(question, answer, tokens) == pytest.approx(soft, abs=1e-12)
    assert hard_score(question, answer, max(tokens, key=tokens.__getitem__)) == hard


def test_tokens() -> None:
    assert first_tokens(ANY, "Yes") == ("Yes", "yes", " yes", " Yes")
    assert first_tokens(MANY, "two") == ("two", "Two", " two", " Two", "2", " 2", " ")


SCORES = [[1, 0.8, 0.5], [0.9, 0, 1, 1], [0.6, 0.6, 0.6]]
SKILLS = [
    ["count", "attribute", "object"],
    ["count", "object", "position", "verb"],
    ["count", "attribute", "object"],
]


def test_means() -> None:
    assert official_score(SCORES, "soft_tifa_am") == pytest.approx(69.7222, abs=1e-4)
    assert official_score(SCORES, "soft_tifa_gm") == pytest.approx(44.5602, abs=1e-4)
    assert official_score([], "soft_tifa_gm") is None


def test_the_analysis_stops_where_a_kind_is_missing() -> None:
    found = official_analysis(SCORES, SKILLS, [3, 4, 3])
    assert found["skills"] == {
        "object": 36.67, "attribute": 70.0, "count": 83.33, "position": 100.0, "verb": 100.0,
    }  # fmt: skip
    assert found["atomicity"] is None  # 5 to 10 atoms: a division by zero
    without = official_analysis(SCORES[:1], SKILLS[:1], [3])
    assert without == {"skills": None, "atomicity": None}
    all_atoms = official_analysis([SCORES[1]] * 7 + [SCORES[0]], [SKILLS[1]] * 7 + [SKILLS[0]],
                                  [4, 5, 6, 7, 8, 9, 10, 3])  # fmt: skip
    assert all_atoms["atomicity"] == {
        "3": 73.68, "4": 0.0, "5": 0.0, "6": 0.0, "7": 0.0, "8": 0.0, "9": 0.0, "10": 0.0,
    }  # fmt: skip
