"""Tags in answers are found as by a pattern, in time in proportion to the text."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

import pytest

from rr_refine.benchmarks.preference import genai_bench
from rr_refine.benchmarks.published.imgedit.scoring import tolerant_parse
from rr_refine.benchmarks.published.unigenbench.reading import official_parse
from rr_refine.reward.wrapping import drop_thoughts
from rr_refine.tags import between_tags
from rr_refine.wanted_text import wanted_texts

PIECES = ["<why>", "</why>", "<Why>", "</WHY>", "<", "why>", "\n", "a", "İ", "</why"]


@pytest.mark.parametrize("any_case", [False, True])
def test_they_are_found_as_by_the_pattern(any_case: bool) -> None:
    draw = random.Random(0)
    flags = re.DOTALL | (re.IGNORECASE if any_case else 0)
    for _ in range(500):
        text = "".join(draw.choices(PIECES, k=draw.randrange(12)))
        expected = re.findall(r"<why>(.*?)</why>", text, flags)
        assert [*between_tags(text, "why", any_case=any_case)] == expected, text


def test_verdicts_are_found_as_by_the_official_pattern() -> None:
    draw = random.Random(0)
    for _ in range(2000):
        text = "".join(draw.choices(["[[", "]]", "[", "]", "A>B", "A=B", "\n", "\r", " "], k=6))
        found = re.search(r"\[\[(.*)\]\]", text)
        expected = None if found is None else genai_bench._VERDICTS.get(found[1])
        assert genai_bench.official_parse(text) == expected, repr(text)


HOSTILE: list[tuple[Callable[[str], object], str]] = [
    (lambda text: [*between_tags(text, "prompt", any_case=True)], "<prompt>" * 25_000),
    (lambda text: official_parse(text, 3), "<analysis>" * 20_000),
    (genai_bench.official_parse, "[[" * 100_000),
    (genai_bench.official_parse, "]]" * 100_000),
    (lambda text: tolerant_parse(text, ["Quality"]), "Quality" + ":" * 100_000),
    (lambda text: tolerant_parse(text, ["Quality"]), "Quality: " * 20_000),
    (drop_thoughts, "<think></think>\n" * 100_000),
    (drop_thoughts, "</think>" * 100_000 + "\n<think>x</think>y"),
    (drop_thoughts, "x\n<think></think>" * 100_000),
    (wanted_texts, "that says a" + " " * 100_000 + "b"),
    (wanted_texts, "that says A" + " " * 100_000 + "B_"),
    (wanted_texts, " " * 200_000),
    (wanted_texts, "that says " + "a " * 50_000),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_text_takes_little_time(number: int) -> None:
    read, text = HOSTILE[number]
    start = time.monotonic()
    read(text)
    assert time.monotonic() - start < 5  # by their squares, these take from 20 s to hours
