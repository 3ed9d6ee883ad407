"""Answers of the judge: the official reading, and what of it is counted."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from rr_refine.benchmarks.published.unigenbench import UniGenBenchLoader
from rr_refine.benchmarks.published.unigenbench.reading import official_parse
from rr_refine.errors import CriticUnreadable
from tests.benchmarks.published.unigenbench.files import ZH, answer, small, write


def tags(analysis: str, score: str) -> str:
    return f"<description><analysis>{analysis}</analysis><score>{score}</score></description>"


ACCEPTED = [
    ("plain", tags("['a', 'b']", "[1, 0]"), ["a", "b"], [1, 0]),
    ("double quotes", tags('["it\'s a", "b"]', "[0, 1]"), ["it's a", "b"], [0, 1]),
    ("over lines", tags("\n [\n'a',\n'b' ]\n", "\n[1,\n1]\n"), ["a", "b"], [1, 1]),
    (
        "the first tag counts",
        tags("['a', 'b']", "[1, 0]") + tags("[]", "[]"),
        ["a", "b"],
        [1, 0],
    ),
    ("texts for scores", tags("['a', 'b']", "['1', '0']"), ["a", "b"], ["1", "0"]),
    ("truth for scores", tags("['a', 'b']", "[True, False]"), ["a", "b"], [True, False]),
    ("any number", tags("['a', 'b']", "[0.5, 7]"), ["a", "b"], [0.5, 7]),
    ("tuples", tags("('a', 'b')", "(1, 0)"), ("a", "b"), (1, 0)),
    ("bare tuples", tags("'a', 'b'", "1, 0"), ("a", "b"), (1, 0)),
    ("a text of that length", tags("'ab'", "[1, 0]"), "ab", [1, 0]),
    ("a dictionary of that length", tags("{1: 2, 3: 4}", "[1, 0]"), {1: 2, 3: 4}, [1, 0]),
    # Python warns of this escape, and reads it.
    ("an odd escape", tags(r"['\d', 'b']", "[1, 0]"), [r"\d", "b"], [1, 0]),
]
REFUSED = [
    ("no tags", "['a', 'b'] [1, 0]"),
    ("no score", "<analysis>['a', 'b']</analysis>"),
    ("not closed", "<analysis>['a', 'b']</analysis><score>[1, 0]"),
    ("capitals", tags("['a', 'b']", "[1, 0]").replace("score", "SCORE")),
    ("an apostrophe ends the text", tags("['it's a', 'b']", "[1, 0]")),
    ("no quotes", tags("[a, b]", "[1, 0]")),
    ("a code fence", tags("```python\n['a', 'b']\n```", "[1, 0]")),
    ("a code fence in the score", tags("['a', 'b']", "```\n[1, 0]\n```")),
    ("lowercase truth", tags("['a', 'b']", "[true, false]")),
    ("an expression", tags("['a', 'b']", "[1] * 2")),
    ("too few", tags("['a', 'b']", "[1]")),
    ("too many", tags("['a', 'b']", "[1, 0, 1]")),
    ("too little analysis", tags("['a']", "[1, 0]")),
    ("nothing", tags("", "")),
    # The official script dies of these: of len(1), of storing a set or bytes, and of an overflow.
    ("a set", tags("['a', 'b']", "{0, 1}")),
    ("a set within", tags("[{1}, 'b']", "[0, 1]")),
    ("bytes", tags("['a', 'b']", "b'10'")),
    ("an imaginary number", tags("['a', 'b']", "[1j, 0]")),
    ("a list as a key", tags("['a', {[]: 1}]", "[1, 0]")),
    ("too deep", tags("[" * 5000 + "]" * 5000, "[1, 0]")),
    ("too deep for a tree", tags("['a', 'b']", "-" * 5000 + "1")),
    ("too deep for the parser", tags("['a', 'b']", "-" * 100_000 + "1")),
]


@pytest.mark.parametrize(("text", "analysis", "score"), [c[1:] for c in ACCEPTED])
def test_official_reading(text: str, analysis: object, score: object) -> None:
    assert official_parse(text, 2) == {"analysis": analysis, "score": score}


@pytest.mark.parametrize("text", [c[1] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_what_officially_cannot_be_read(tmp_path: Path, text: str) -> None:
    assert official_parse(text, 2) is None
    bench = small(tmp_path)
    with pytest.raises(CriticUnreadable, match="about '1_0' is unreadable") as raised:
        bench.read(bench.items[1], (text,))
    assert raised.value.raw == text


def test_a_bare_score_is_no_reading() -> None:
    # One testpoint: the official script asks for the length of 1 and dies.
    assert official_parse(tags("['a']", "1"), 1) is None
    assert official_parse(tags("['a']", "[1]"), 1) is not None


def test_marks(tmp_path: Path) -> None:
    bench = small(tmp_path)
    foxes, cat = bench.items
    mark = bench.read(foxes, answer(1, 0, 1))
    # Testpoints: Style, Attribute - Quantity, Attribute - Color. Two of three are passed.
    assert mark.score == 2 / 3
    assert not mark.exact
    assert mark.missed == ("Attribute - Quantity: two foxes",)
    assert mark.parts == {
        "Style": (1, 1),
        "Attribute": (1, 2),
        "Attribute - Quantity": (0, 1),
        "Attribute - Color": (1, 1),
    }
    assert list(mark.parts) == ["Style", "Attribute", "Attribute - Quantity", "Attribute - Color"]
    whole = bench.read(cat, answer(1, 1.0))
    assert (whole.score, whole.exact, whole.missed) == (1, True, ())
    assert whole.parts == {
        "Action": (1, 1),
        "Action - Animal": (1, 1),
        "Grammar": (1, 1),
        "Grammar - Negation": (1, 1),
    }


def test_only_one_counts(tmp_path: Path) -> None:
    bench = small(tmp_path)
    mark = bench.read(bench.items[0], answer("1", 0.5, 2))
    assert mark.score == 0
    # The official script counts '1' as 0; that the judge meant otherwise is said.
    assert mark.missed == (
        "Style: ink (the judge wrote '1', a text, which officially counts as 0)",
        "Attribute - Quantity: two foxes",
        "Attribute - Color: red",
    )


DROPPED = [
    # Stored as JSON `true` and `null`, which the scoring script cannot read.
    ("truth", tags("['a', 'b']", "[True, 0]")),
    ("nothing", tags("['a', 'b']", "[None, 0]")),
    ("nothing said", tags("['a', None]", "[1, 0]")),
    ("infinity", tags("['a', 'b']", "[1e999, 0]")),
    # Scores that are no list.
    ("a text", tags("['a', 'b']", "'10'")),
    ("a dictionary", tags("['a', 'b']", "{1: 1, 2: 0}")),
]


@pytest.mark.parametrize("text", [c[1] for c in DROPPED], ids=[c[0] for c in DROPPED])
def test_what_is_read_but_officially_not_counted(tmp_path: Path, text: str) -> None:
    assert official_parse(text, 2) is not None
    bench = small(tmp_path)
    with pytest.raises(CriticUnreadable, match="dropped by the official scoring script"):
        bench.read(bench.items[1], (text,))
    assert bench.official({"1_0": (text,)}) == {"primary_dimensions": {}, "sub_dimensions": {}}


def test_the_worst_mark(tmp_path: Path) -> None:
    bench = small(tmp_path)
    assert bench.worst(bench.items[1]) == bench.read(bench.items[1], answer(0, 0))
    assert bench.worst(bench.items[1]).parts["Action"] == (0, 1)


def test_dimensions_are_the_first_parts(tmp_path: Path) -> None:
    bench = small(tmp_path)
    assert bench.dimensions == (
        "Style",
        "World Knowledge",
        "Attribute",
        "Action",
        "Relationship",
        "Logical Reasoning",
        "Grammar",
        "Compound",
        "Entity Layout",
        "Text Generation",
    )
    chinese = UniGenBenchLoader(data=write(tmp_path, ZH, "zh"), suite="zh").load()
    assert len(chinese.dimensions) == 10
    mark = chinese.read(chinese.items[0], answer(1, 0))
    assert mark.parts == {"风格": (1, 1), "属性": (0, 1), "属性-颜色": (0, 1)}
    assert {"风格", "属性"} < set(chinese.dimensions)
    assert mark.missed == ("属性-颜色: 红",)


def test_made_up_answers_are_read_and_vary(tmp_path: Path) -> None:
    bench = small(tmp_path)
    foxes = bench.items[0]
    made = [bench.write_answers(foxes, Random(seed)) for seed in range(40)]
    scores = {bench.read(foxes, answers).score for answers in made}
    assert scores == {0, 1 / 3, 2 / 3, 1}
    assert bench.write_answers(foxes, Random(3)) == made[3]
