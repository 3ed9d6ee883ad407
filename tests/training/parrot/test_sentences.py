"""Verdicts, leaks and evidence are told apart as docs/parrot.md says.

The first two files were written before the rules, in one go, and dealt at random. The rules were
made by `development`; nobody looked at `held_out` meanwhile. `later` was written after them, to
find what they miss, and they were mended by it.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from rr_refine.training.parrot.sentences import gives_away, is_verdict, without_verdicts

SENTENCES = Path(__file__).parent / "sentences"


def shares(name: str) -> dict[str, float]:
    """The share of sentences that are taken for what they are, by label."""
    right, all_ = Counter[str](), Counter[str]()
    for line in (SENTENCES / f"{name}.tsv").read_text().splitlines():
        label, sentence = line.split("\t")
        leaks, left = gives_away(sentence, ""), without_verdicts(sentence)
        taken = {"verdict": not left and not leaks, "evidence": left == sentence and not leaks}
        all_[label] += 1
        right[label] += taken.get(label, leaks)
    return {label: right[label] / all_[label] for label in all_}


@pytest.mark.parametrize(
    ("name", "verdicts", "evidence", "leaks"),
    [("development", 1.0, 1.0, 1.0), ("later", 1.0, 1.0, 1.0), ("held_out", 0.98, 0.96, 0.9)],
)
def test_sentences_are_taken_for_what_they_are(
    name: str, verdicts: float, evidence: float, leaks: float
) -> None:
    found = shares(name)
    assert found["verdict"] >= verdicts
    assert found["evidence"] >= evidence
    assert found["leak"] >= leaks


def test_there_are_300_sentences_in_two_halves() -> None:
    halves = [
        (SENTENCES / f"{n}.tsv").read_text().splitlines() for n in ("development", "held_out")
    ]
    assert [len(half) for half in halves] == [150, 150]
    assert not set(halves[0]) & set(halves[1])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("The sign reads OPEN, so A wins.", "The sign reads OPEN"),
        ("The hat is blue, which nobody asked for.", "The hat is blue, which nobody asked for."),
        ("A wins.\nThe hat is **blue** in B.\nB loses.", "The hat is **blue** in B."),
        ("The poster says “A is better than B”.", "The poster says “A is better than B”."),
        ("", ""),
    ],
)
def test_only_verdicts_are_left_out(text: str, left: str) -> None:
    assert without_verdicts(text) == left


def test_what_the_request_says_gives_nothing_away() -> None:
    assert gives_away("The poster shows human votes.", "a poster about human rights and votes")
    assert not gives_away("The poster shows human votes.", "a poster of human votes")


@pytest.mark.parametrize(
    "part",
    ["Image A is ", "the label ", "A ", "so much ", '"', "( ", "x", "good ", "apple, so "],
)
def test_long_texts_take_time_in_proportion(part: str) -> None:
    text = part * 20_000 + "apple"
    start = time.process_time()
    is_verdict(text)
    without_verdicts(text)
    gives_away(text, "a hat")
    assert time.process_time() - start < 5
