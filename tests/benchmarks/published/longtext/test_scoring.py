"""What LongText-Bench counts of an answer: examples that the official scripts were run on."""

from __future__ import annotations

import pytest

from rr_refine.benchmarks.published.longtext.scoring import (
    Language,
    TextMatch,
    clean_answer,
    match_text,
    official_score,
    tolerant_answer,
)


@pytest.mark.parametrize(
    ("language", "expected", "answer", "found", "of"),
    [
        ("en", ["Grand Opening", "Save 20%"], "GRAND OPENING\nsave 20", 4, 4),
        ("en", ["well-known"], "well known", 0, 1),
        ("en", ["24/7 e-mail"], "EMAIL 247", 2, 2),
        ("en", ["No entry here"], "No text recognized", 1, 3),
        ("en", ["No entry here"], "No text recognized.", 0, 3),
        ("en", ["to be or not to be"], "not to be to", 4, 6),
        ("en", ["Sale"], "Sale Sale Sale big", 1, 1),
        ("en", ["Café Ñandú"], "café andú nd", 2, 2),  # ñ and ú vanish, é stays
        ("en", ["a\u3000b\u2028c"], "A B C", 3, 3),  # all that Python calls white space
        ("en", ["１２ ok"], "OK", 1, 1),  # full-width digits are nothing
        ("en", ["criterion"], "addCriterion criterion", 1, 1),
        ("zh", ["WiFi 密码"], "wifi密码", 4, 6),
        ("zh", ["好好学习"], "学习好", 3, 4),
        ("zh", ["开放时间：9:00"], "开放时间 9：00", 7, 7),
        ("zh", ["龦龥"], "龥", 1, 1),  # the range ends at U+9FA5
        ("en", ["only this"], "", 0, 2),
    ],
)
def test_one_picture(
    language: Language, expected: list[str], answer: str, found: int, of: int
) -> None:
    match = match_text(expected, clean_answer(answer), language)
    assert (match.found, match.expected) == (found, of)
    assert match.accuracy == found / of
    assert len(match.missed) == of - found


def test_the_words_that_are_missed_are_named() -> None:
    assert match_text(["to be or not to be"], "not to be to", "en").missed == ("be", "or")


@pytest.mark.parametrize(
    ("answer", "stored"),
    [
        ("No text recognized.", ""),
        ("One\nNo text recognized.\nTwo", "One\n\nTwo"),
        ("No text recognized", "No text recognized"),  # without the full stop it stays
        ("addCriterion", "addCriterion"),  # a slip of the official script
        ("no text recognized.", "no text recognized."),
        ("\nNo text No text recognized.recognized.\nb", "\nb"),  # what is left forms another
    ],
)
def test_what_is_stored_of_an_answer(answer: str, stored: str) -> None:
    assert clean_answer(answer) == stored


@pytest.mark.parametrize("said", ["No text recognized", "no text is recognized.", "addCriterion"])
def test_goodwill_finds_no_words_in_it(said: str) -> None:
    assert match_text(["no text"], tolerant_answer(said), "en").found == 0
    assert tolerant_answer("A text") == "A text"


def test_the_headline_is_over_all_units_together() -> None:
    # (2 + 1) / (3 + 1), where the mean over pictures is 0.8333.
    assert official_score([TextMatch(2, 3), TextMatch(1, 1)]) == 0.75
    assert official_score([TextMatch(1, 3)]) == 0.3333
    assert official_score([]) is None
    assert official_score([TextMatch(1, 1), TextMatch(0, 0)]) is None  # the script divides by 0
