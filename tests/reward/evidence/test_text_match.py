"""What was read against what was asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rr_refine.reward.evidence.text_match import TextLine, match_texts
from rr_refine.wanted_text import WantedText


def read(text: str, top: float = 0.1, left: float = 0.1, sure: float = 0.9) -> TextLine:
    return TextLine(text, (left, top, min(1.0, left + 0.3), min(1.0, top + 0.1)), sure)


def ask(*texts: str) -> list[WantedText]:
    return [WantedText(text=text) for text in texts]


def kinds(wanted: list[WantedText], *readings: TextLine) -> list[str]:
    return [one.kind for one in match_texts(wanted, readings)]


@pytest.mark.parametrize(
    ("asked", "lines"),
    [
        ("OPEN", [read("OPEN")]),
        ("Open", [read("OPEN")]),
        ("OPEN", [read("ＯＰＥＮ")]),
        ("SUN", [read("+SUN+")]),
        ("LOVE", [read("▲LOVE(")]),
        ("Café 10", [read("CAFE 1O")]),
        ("SALE 50%", [read("SALE"), read("50", left=0.6)]),
        ("GRAND OPENING", [read("OPENING", top=0.4), read("GRAND")]),
        ("OPEN", [read("WE ARE OPEN NOW")]),
        ("ABC", [read("C", left=0.6), read("A", left=0.1), read("B", left=0.35)]),
        ("新年快乐", [read("祝大家新年快乐")]),
        ("营业中", [read("营", 0.1), read("业", 0.4), read("中", 0.7)]),
        ("don't panic", [read("DON’T PANIC")]),
    ],
)
def test_as_asked(asked: str, lines: list[TextLine]) -> None:
    (finding, *_) = match_texts(ask(asked), lines)
    assert finding.kind == "right"
    assert finding.found


@pytest.mark.parametrize(
    ("asked", "line", "what"),
    [
        ("OPEN", "OPNE", "N and E are swapped"),
        ("RUN", "FUN", "F in place of R"),
        ("CAT", "CAY", "Y in place of T"),
        ("OPEN", "OPN", "E is missing"),
        ("OPEN", "OPPEN", "P is too much"),
        ("ART", "START", "ST is too much"),
        ("新年快乐", "新年快东", "东 in place of 乐"),
        ("INK", "NK", "I is missing"),
    ],
)
def test_misspelt(asked: str, line: str, what: str) -> None:
    (finding,) = match_texts(ask(asked), [read(line)])
    assert finding.kind == "wrong"
    assert finding.is_miss
    assert finding.reason == f"it says {line!r}, asked was {asked!r}: {what}"


def test_missing_and_extra() -> None:
    missing, extra = match_texts(ask("STOP"), [read("Main Street 14", sure=0.7)])
    assert (missing.kind, missing.box, missing.reason) == (
        "missing",
        None,
        "it does not say 'STOP'",
    )
    assert (extra.kind, extra.expected, extra.found, extra.sure) == (
        *("extra", None, "Main Street 14", 0.7),
    )


def test_one_word_is_not_taken_for_two() -> None:
    assert kinds(ask("CAT", "CAR"), read("CAR")) == ["missing", "right"]
    assert kinds(ask("CAT", "CAR"), read("CAR"), read("CAY", top=0.5)) == ["wrong", "right"]


def test_overlooked_spaces() -> None:
    assert kinds(ask("HAPPY", "BIRTHDAY"), read("HAPPYBIRTHDAY")) == ["right", "right"]
    assert kinds(ask("HAPPY BIRTHDAY"), read("HAPPYBIRTHDAY")) == ["right"]


def test_what_cannot_be_told() -> None:
    (sign,) = match_texts(ask("!!!"), [])
    (unsure,) = match_texts([WantedText(text="cute", sure=False)], [])
    assert sign.kind == unsure.kind == "abstained"
    assert kinds([WantedText(text="cute", sure=False)], read("CUT")) == ["abstained"]
    assert kinds([WantedText(text="cute", sure=False)], read("CUTE")) == ["right"]


def test_its_place() -> None:
    (finding,) = match_texts(ask("GRAND OPENING"), [read("GRAND"), read("OPENING", 0.4, 0.2, 0.6)])
    assert finding.box == (0.1, 0.1, 0.5, 0.5)
    assert finding.sure == 0.6


lines = st.lists(
    st.builds(read, st.text(max_size=12), st.floats(0, 0.9), st.floats(0, 0.9)), max_size=6
)


@given(st.lists(st.text(min_size=1, max_size=8), max_size=4), lines)
def test_each_text_has_one_finding(texts: list[str], given_lines: list[TextLine]) -> None:
    wanted = ask(*texts)
    findings = match_texts(wanted, given_lines)
    assert [one.expected for one in findings if one.kind != "extra"] == texts
    assert match_texts(wanted, given_lines) == findings


@pytest.mark.parametrize(
    ("asked", "line", "why"),
    [
        ("周末电影放映", "周末电影放映映", "映 is too much"),
        ("周末电影放映", "周周末电影放映", "周 is too much"),
        ("Night 夜市", "Night 夜市市", "市 is too much"),
        ("SALE 大减价", "SALE大大减价", "大 is too much"),
        ("夜市", "夜市市市", "市市 is too much"),
        ("カフェ", "カフェェ", "ェ is too much"),
    ],
)
def test_a_character_that_stands_twice_at_an_end_is_too_much(
    asked: str, line: str, why: str
) -> None:
    (finding,) = match_texts(ask(asked), [read(line)])
    assert finding.kind == "wrong" and finding.found == line
    assert finding.reason.endswith(why)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (["咖啡馆"], "星光咖啡馆"),  # other text beside it
        (["上海", "海洋"], "上海海洋"),  # the second is another text's
        (["夜市"], "夜市 市场"),  # a space apart
        (["谢谢"], "谢谢"),
        (["OPEN"], "OPEN N"),
    ],
)
def test_what_belongs_to_other_text_is_not_too_much(asked: list[str], line: str) -> None:
    found = match_texts(ask(*asked), [read(line)])
    assert [one.kind for one in found if one.expected] == ["right"] * len(asked)
