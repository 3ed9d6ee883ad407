from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rr_refine.agent.diff import diff_words


def told(old: str, new: str) -> str:
    marks = {"same": "{}", "added": "[+{}]", "dropped": "[-{}]"}
    return "".join(marks[piece.kind].format(piece.text) for piece in diff_words(old, new))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a cat", "a cat", "a cat"),
        ("a cat", "a cat, in soft light", "a cat[+, in soft light]"),
        ("a red cat sleeps", "a blue cat sleeps", "a [-red ][+blue ]cat sleeps"),
        ("a cat", "a  cat\n", "a  cat"),
        ("", "new words", "[+new words]"),
        ("all gone", "", "[-all gone]"),
        ("red, hat", "red hat", "red [-, ]hat"),
        ("三只红帽子", "三只蓝帽子", "三只[-红][+蓝]帽子"),
        ('say "OPEN"', 'say "OPEN!"', 'say "OPEN[+!]"'),
    ],
)
def test_words(old: str, new: str, expected: str) -> None:
    assert told(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "two red hearts and three blue stars",
            "gray background; a large blue star at the top left; a large red heart at the top; a "
            "small red heart at the right; three blue stars in all; two red hearts in all",
        ),
        ("a red cat on a mat", "one small dog sleeps near the big red door of a barn"),
        # each word is there again, and none beside another
        (
            "one two three four five",
            "one lamp and two hats, then three cats, by four dogs, and five owls",
        ),
        ("三只红帽子", "桌上有一个蓝色的杯子"),
    ],
)
def test_texts_that_share_little_are_not_mixed(old: str, new: str) -> None:
    assert told(old, new) == f"[-{old}\n][+{new}]"


@given(st.text("ab ,猫\n"), st.text("ab ,猫\n"))
def test_both_texts_can_be_read_in_it(old: str, new: str) -> None:
    pieces = diff_words(old, new)
    assert "".join(p.text for p in pieces if p.kind != "dropped") == new.strip()
    before = "".join(p.text for p in pieces if p.kind != "added")
    assert "".join(before.split()) == "".join(old.split())
    assert all(one.kind != other.kind for one, other in pairwise(pieces))


def test_long_texts_that_share_nothing_in_the_middle_are_not_matched() -> None:
    old = " ".join(f"w{n % 90}" for n in range(20_000))
    new = " ".join(f"w{n % 91}" for n in range(20_000))
    start, end = "start " * 12_000, " end" * 12_000
    kinds = [piece.kind for piece in diff_words(f"{start}{old}{end}", f"{start}{new}{end}")]
    assert kinds == ["same", "dropped", "added", "same"]
    assert told(f"{old} red", f"{old} blue") == f"{old} [-red][+blue]"
