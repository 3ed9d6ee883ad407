"""One answer of a judge, as the official scripts read it."""

from __future__ import annotations

import pytest

from rr_refine.benchmarks.published.picabench.answer import (
    FAILED,
    is_right,
    official_parse,
    read_answer,
    tolerant_parse,
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"answer": "Yes", "explanation": "x"}', "Yes"),
        ('{"answer": " no. ", "explanation": "x"}', "No"),
        ('{"answer": "TRUE", "explanation": "x"}', "Yes"),
        ('{"answer": "N"}', "No"),
        ('```json\n{"answer": "Yes", "explanation": "no doubt"}\n```', "Yes"),
        # Two objects are no JSON together: the first flat one with an answer is taken.
        ('{"answer": "No", "explanation": "a"} {"answer": "Yes", "explanation": "b"}', "No"),
        ('{} {"answer": "", "explanation": "a"} {"answer": "y", "explanation": "b"}', "Yes"),
        # A flat object needs both names; the words decide then.
        ('{"answer": "Yes"} or {"answer": "No"}', "Yes"),
        ('{"answer": "No"} or {"answer": "Yes"}', "Yes"),
        # An answer that is not quite one is kept as it is, and so is wrong.
        ('{"answer": "Yes, it is", "explanation": "x"}', None),
        ('{"answer": "N/A", "explanation": "x"}', None),
        # Booleans, numbers and nulls end the reading of JSON; the words of the whole text decide.
        ('{"answer": true, "explanation": "it is"}', None),
        ('{"answer": true, "explanation": "there is no tulip"}', "No"),
        ('{"answer": false, "explanation": "yes, a tulip"}', "Yes"),
        ('{"answer": "Yes", "explanation": null}', "Yes"),
        ('{"answer": "No", "explanation": 3, "so": "yes"}', "Yes"),
        ('{"answer": true, "explanation": "yes"} {"answer": "No", "explanation": ""}', "Yes"),
        # Words: the beginning first, then "yes" anywhere before "no" anywhere.
        ("Yes.", "Yes"),
        ("yesterday", "Yes"),
        ("Not at all", "No"),
        ("Note: the vase is there, yes", "No"),
        ("None", "No"),
        ("I say no, then yes", "Yes"),
        ("There is no vase", "No"),
        ("Nothing, yes", "No"),
        ("It knows", None),
        ("maybe", None),
        ("", None),
        (FAILED, None),
        ("{" * 100_000, None),
    ],
)
def test_an_answer(text: str, answer: str | None) -> None:
    assert official_parse(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"answer": true, "explanation": "there is no tulip"}', "Yes"),
        ('so: {"answer": "No, none", "explanation": "x"}', "No"),
        ('{"answer": "N/A", "explanation": "no"}', None),
        ('{"answer": "n.", "explanation": "x"}', "No"),
        ('{"answer": null, "explanation": "yes"}', None),
        ('{"said": 1} {"answer": "Yes", "explanation": ""}', "Yes"),
        ("**Yes**", "Yes"),
        ("No, the vase is empty", "No"),
        ("Note: yes", None),
        ("Not at all", None),
        ("There is no vase", None),
        ("{" * 100_000, None),
        ("", None),
    ],
)
def test_a_tolerant_reading(text: str, answer: str | None) -> None:
    assert tolerant_parse(text) == answer


def test_what_the_official_output_has() -> None:
    assert read_answer(' {"answer": "maybe ", "explanation": " dark "}') == ("maybe", "dark")
    assert read_answer("  it may well be so") == ("it may wel", "")
    assert read_answer(" ") == ("Unknown", "")
    assert read_answer(FAILED) == ("Error: all", "")


@pytest.mark.parametrize(
    ("answer", "expected", "right"),
    [("Yes", "yes.", True), ("No", " NO ", True), ("Yes", "No", False), ("Two.", "two", True)],
)
def test_right(answer: str, expected: str, right: bool) -> None:
    assert is_right(answer, expected) is right
