"""Tags in answers are found as by a pattern, in time in proportion to the text."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

import pytest

from rr_refine.benchmarks.preference import editreward_bench, genai_bench
from rr_refine.benchmarks.published.gedit import scoring as gedit
from rr_refine.benchmarks.published.imgedit.scoring import tolerant_parse
from rr_refine.benchmarks.published.unigenbench.reading import official_parse
from rr_refine.benchmarks.published.wise import scoring as wise
from rr_refine.reward import wrapping
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


def test_boxes_are_found_as_by_the_official_patterns() -> None:
    draw = random.Random(0)
    pieces = ["[[", "]]", "[", "]", "\\boxed{", "\\Boxed{", "}", "A>B", "B = A", "left>right"]
    pieces += ["verdict:", "Answer:", "B<A", "C>A", " ", "\n", "\r", ".", "x"]
    for _ in range(4000):
        text = "".join(draw.choices(pieces, k=draw.randrange(1, 9)))
        for letters, signs, *more in (
            ("AB", "[><=]"),
            ("ABC", "[><]", r"\[(left>right|right>left)\]"),
        ):
            patterns = (
                r"\[\[([^\]]+)\]\]",
                r"\\boxed\{([^}]+)\}",
                rf"\[([{letters}]{signs}[{letters}])\]",
                *more,
                rf"(?:verdict|answer):\s*([{letters}]{signs}[{letters}])\s*\.?\s*$",
                rf"\b([{letters}]\s*{signs}\s*[{letters}])\b(?=\s|\.|,|$)",
            )
            found = (re.search(p, text, re.IGNORECASE | re.MULTILINE) for p in patterns)
            expected = next((match[1] for match in found if match), None)
            said = editreward_bench._said(text, letters, ties=len(letters) == 2)
            assert said == expected, repr(text)


def test_json_is_mended_as_by_the_official_patterns() -> None:
    def field(found: re.Match[str]) -> str:
        value = found[2].strip()
        if re.fullmatch(r"-?\d+(\.\d+)?", value):
            value = f"[{value}]"
        elif value.lower() not in ("true", "false", "null"):
            value = f'"{value}"'
        return f"{found[1]}: {value}{found[3]}"

    draw = random.Random(0)
    pieces = ['"', ":", '":', '",', "a", "8", "-1.5", "é", "_", "{", "}", ",", " ", "\n", "true"]
    for _ in range(4000):
        text = "".join(draw.choices(pieces, k=draw.randrange(1, 14)))
        named = re.sub(r"(\w+):", r'"\1":', text)
        assert gedit._repair(text) == re.sub(r'(".*?"):(.*?)([,}])', field, named), repr(text)


def test_verdicts_of_wise_are_read_as_by_the_official_patterns() -> None:
    draw = random.Random(0)
    pieces = ["<think>", "</think>", "<", "think>", " ", "\n", "\r", "a", "1", "0", "Score", ":"]
    for _ in range(4000):
        text = "".join(draw.choices([*pieces, "**", "."], k=draw.randrange(1, 10)))
        thoughtless = re.sub(r"<think>.*?</think>\s*", "", text, flags=re.DOTALL)
        expected = re.sub(r"</think>\s*", "", thoughtless).strip()
        assert wise.clean_answer(text) == expected, repr(text)
        lines = re.findall(r"^\s*([01])\s*$", text, re.MULTILINE)
        alone = int(lines[0]) if len(lines) == 1 else None
        found = re.search(r"score\*{0,2}\s*:?\s*([01])\b", text, re.IGNORECASE)
        assert wise.official_parse(text) == (int(found[1]) if found else alone), repr(text)


def _drop_thoughts(text: str) -> str:
    """By cutting again and again, which copies the text as often."""
    opening = re.compile(f"^{wrapping._OPEN}", re.IGNORECASE | re.MULTILINE)
    text = text.lstrip(wrapping._BLANK)
    while opened := opening.search(text):
        closed, behind = (wrapping._CLOSES.search(text, at) for at in (0, opened.end()))
        if closed is None or behind is None:
            raise wrapping.TruncatedTextError
        begin = 0 if closed.start() < opened.start() else opened.start()
        text = text[:begin] + text[(closed if begin == 0 else behind).end() :]
    closed = wrapping._CLOSES.search(text)
    return text[closed.end() if closed else 0 :]


def test_thoughts_are_dropped_as_by_cutting_again_and_again() -> None:
    draw = random.Random(0)
    pieces = ["<think>", "</think>", "[THINK]", "[/THINK]", " ", "\n", "a", "\u200b"]
    pieces += [
        "<|start|>assistant",
        "<|channel|>analysis<|message|>",
        "<|channel|>final<|message|>",
    ]
    for _ in range(4000):
        text = "".join(draw.choices(pieces, k=draw.randrange(1, 12)))
        try:
            expected = _drop_thoughts(text)
        except wrapping.TruncatedTextError:
            with pytest.raises(wrapping.TruncatedTextError):
                wrapping.drop_thoughts(text)
        else:
            assert wrapping.drop_thoughts(text) == expected, repr(text)


HOSTILE: list[tuple[Callable[[str], object], str]] = [
    (lambda text: [*between_tags(text, "prompt", any_case=True)], "<prompt>" * 25_000),
    (lambda text: official_parse(text, 3), "<analysis>" * 20_000),
    (genai_bench.official_parse, "[[" * 100_000),
    (genai_bench.official_parse, "]]" * 100_000),
    (lambda text: tolerant_parse(text, ["Quality"]), "Quality" + ":" * 100_000),
    (lambda text: tolerant_parse(text, ["Quality"]), "Quality: " * 20_000),
    (wrapping.drop_thoughts, "<think></think>\n" * 100_000),
    (wrapping.drop_thoughts, "</think>" * 100_000 + "\n<think>x</think>y"),
    (wrapping.drop_thoughts, "x\n<think></think>" * 100_000),
    (editreward_bench.official_parse, "[" * 200_000),
    (editreward_bench.official_parse, "\\boxed{" * 50_000),
    (editreward_bench.official_parse, "verdict:A>B" + " " * 200_000 + "x"),
    (editreward_bench.official_parse, "]" * 200_000),
    (gedit.official_parse, "{" + "a" * 200_000 + "}"),
    (gedit.official_parse, "{" + '"' * 200_000 + "}"),
    (gedit.official_parse, "{" + '"":' * 100_000 + '}"'),
    (gedit.official_parse, '"":' * 100_000 + "{}"),
    (wise.clean_answer, "<think>" * 50_000),
    (wise.official_parse, "\n" * 200_000),
    (wise.official_parse, "Score:" + " " * 200_000),
    (wrapping.drop_thoughts, "</think>" * 50_000 + "\n<think>" + "x" * 200_000 + "</think>"),
    (wrapping.strip_marks, "a" + "</s>" * 200_000),
    (wrapping.cut_behind_end, "x" * 200_000 + "<a" + "</a>\n" * 50_000),
    (wanted_texts, "that says a" + " " * 100_000 + "b"),
    (wanted_texts, "that says A" + " " * 100_000 + "B_"),
    (wanted_texts, " " * 200_000),
    (wanted_texts, "that says " + "a " * 50_000),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_text_takes_little_time(number: int) -> None:
    read, text = HOSTILE[number]
    start = time.process_time()
    read(text)
    assert time.process_time() - start < 5  # by their squares, these take from 20 s to hours
