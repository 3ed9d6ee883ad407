from __future__ import annotations

import pytest

from rr_refine.benchmarks.published.imgedit.scoring import official_parse, tolerant_parse

LABELS = ("Prompt Compliance", "Visual Seamlessness", "Physical & Detail Fidelity")


def answer(form: str) -> str:
    """An answer with 3, 4 and 4, each line written like `form`."""
    lines = [form.format(label, score) for label, score in zip(LABELS, (3, 4, 4), strict=True)]
    return "\n".join(["Brief reasoning: Fine, mostly.", *lines])


@pytest.mark.parametrize(
    ("form", "official", "tolerant"),
    [
        ("{}: {}", 3.67, 3.67),  # 11 / 3
        ("  {}: {}  ", 3.67, 3.67),
        ("1. {}: {}", 3.67, 3.67),
        ("{}: {}.", None, 3.67),
        ("**{}:** {}", None, 3.67),
        ("**{}**: {}", 3.67, 3.67),
        ("{}: **{}**", None, 3.67),
        ("{}: {}/5", None, 3.67),
        ("{}: {}/10", None, None),
        ("{}: {} (Good)", None, 3.67),
        ("{}:{}", None, 3.67),
        ("{}: {}.5", None, None),
        ("{}:\n{}", None, 3.67),
        ("{} - {}", None, None),
        ("{}: : {}", None, 3.67),
        ("{}: {}0", 36.67, None),  # (30 + 40 + 40) / 3: no range is looked at
    ],
)
def test_forms_of_a_line(form: str, official: float | None, tolerant: float | None) -> None:
    assert official_parse(answer(form)) == official
    assert tolerant_parse(answer(form), LABELS) == tolerant


@pytest.mark.parametrize(
    ("text", "official"),
    [
        ("", None),
        ('{"Prompt Compliance": 4}', None),
        ("Brief reasoning: 5", 5.0),  # counted by accident
        ("Brief reasoning: 5\nPrompt Compliance: 2", 3.5),
        ("Prompt Compliance: 4\nVisual Seamlessness: 3/5", 4.0),  # what counts is averaged
        ("a: 1\nb: 2\nc: 2\nd: 2\ne: 2\nf: 2", 1.83),  # 11 / 6; any number of lines
        ("Score: 0", 0.0),
        ("a: b: 4", None),
        ("a: 4: b", None),
        ("a: ٣", 3.0),  # a digit of another script
        ("a: 4\nb: ²", None),  # the official script dies of it
        ("a: 3\x0bb: 4", 3.5),  # str.splitlines knows more line ends than one
    ],
)
def test_official_oddities(text: str, official: float | None) -> None:
    assert official_parse(text) == official


@pytest.mark.parametrize(
    ("text", "official", "tolerant"),
    [
        ("Brief reasoning: Shorts are wrong.\nScore: 2", 2.0, 2.0),
        # as the official prompt lets a judge answer
        ("Brief reasoning: Heavy distortion. Score: 2.", None, 2.0),
        ("Brief reasoning: Not bad. Score: 3 (Acceptable)", None, 3.0),
        ("A score: 1 would be harsh.\nFinal score: 4/5", None, 4.0),  # the last counts
        ("Underscore: 4", 4.0, None),
        ("Score: 7", 7.0, None),
    ],
)
def test_answers_about_uge(text: str, official: float | None, tolerant: float | None) -> None:
    assert official_parse(text) == official
    assert tolerant_parse(text, ["Score"]) == tolerant


def test_goodwill_needs_every_label() -> None:
    assert tolerant_parse("Prompt Compliance: 4\nVisual Seamlessness: 4", LABELS) is None
    text = "prompt compliance: 1\nVISUAL SEAMLESSNESS: 2\nPhysical and Detail Fidelity: 2\n"
    assert tolerant_parse(text, LABELS) == 1.67  # 5 / 3
