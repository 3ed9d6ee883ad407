"""What a rationale finds wrong, found among what it sees."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rr_refine.reward.rationale import in_short

SEEN = "The picture shows: grey ground; " + "; ".join(f"a red heart at {n}" for n in range(40))


@pytest.mark.parametrize(
    ("rationale", "expected"),
    [
        # listed under a heading
        (f"{SEEN}. Missed: two red hearts; three blue stars.", "… Missed: two red hearts; three"),
        (
            f"{SEEN}. Missed: a hat. There is more than asked.",
            "… Missed: a hat. There is more than",
        ),
        ("- Present: hat, dog\n- Missing: cat, tree\n", "… - Missing: cat, tree"),
        ("A hat.\n\nMissing:\n- a cat\n- a tree", "… Missing: - a cat - a tree"),
        (f"{SEEN}. Issues: the hat is blue.", "… Issues: the hat is blue."),
        # told in a sentence of its own
        (f"{SEEN}. However, the hat is green instead of red.", "… However, the hat is green"),
        (f"{SEEN}. The third star is missing.", "… The third star is missing."),
        (f"{SEEN}. There is no dog.", "… There is no dog."),
        (f"{SEEN}. The dog isn't there.", "… The dog isn't there."),
        (f"{SEEN}. The change was not made.", "… The change was not made."),
        (f"{SEEN}. Checked: two hearts (at 1: no). Only one star is there.", "… Only one star is"),
        ("画面中有三顶帽子。但是颜色是蓝色的。", "… 但是颜色是蓝色的。"),
        # at the end of a long one
        (
            f"{SEEN.replace(';', ',')}, but the vase is blue rather than red.",
            "… but the vase is blue rather than red.",
        ),
        # praise that sounds like it
        (
            "A cat on a mat. There are no artifacts, nothing is distorted. The light is soft.",
            "A cat on a mat. There are no artifacts, nothing is distorted. The light is soft.",
        ),
        ("Issues: none. All is there.", "Issues: none. All is there."),
        ("Nothing is missed.", "Nothing is missed."),
        # nothing of the kind: the end is the verdict
        ("The picture is clean.", "The picture is clean."),
        (f"{SEEN}. All is there.", "… All is there."),
        ("A hat, e.g. no. 3, is there.", "A hat, e.g. no. 3, is there."),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_what_is_wrong(rationale: str, expected: str) -> None:
    assert in_short(rationale).startswith(expected)


def test_what_is_left_out_is_marked() -> None:
    said = in_short("A cat. The hat is missing. The light is soft.")
    assert said == "… The hat is missing. …"
    assert in_short("x" * 5000).endswith("x …")
    assert in_short("The hat is missing and so on " * 50).endswith(" …")


@given(st.text("no missing. \n…,but(:;)但。"), st.integers(20, 400))
def test_any_text_is_cut_to_one_line(text: str, length: int) -> None:
    said = in_short(text, length)
    assert len(said) <= length
    assert "\n" not in said
    assert bool(said) == bool(text.strip())


def test_a_long_one_takes_no_time() -> None:
    for unit in ("no (", "but ", "a. ", "missing: ", " ", "\u3000"):
        start = process_time()
        assert len(in_short(unit * 200_000)) <= 300
        assert process_time() - start < 0.5, unit
