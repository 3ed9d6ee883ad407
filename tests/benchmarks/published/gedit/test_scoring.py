from __future__ import annotations

import pytest

from rr_refine.benchmarks.published.gedit.scoring import official_parse


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ('{"score": [8, 9], "reasoning": "fine"}', [8, 9]),
        ('Sure:\n```json\n{"score": [8, 9],\n "reasoning": "fine"}\n```\nDone.', [8, 9]),
        ('{"reasoning": "a\nb", "score": [7.5, 9]}', [7.5, 9]),  # line ends are dropped first
        ('{"score": [8]}', [8]),
        ('{"score": 8}', [8]),
        ('{"score": [8, 9, 3]}', [8, 9, 3]),
        ('{"score": [80, -9]}', [80, -9]),  # no range is looked at
        ('||V^=^V||\n{"score": [1, 2]}\n||V^=^V|| {', [1, 2]),
        # Fine the first time, officially a random number the second.
        ("[8, 9]", [8, 9]),
        ("My grades are [8,9].", [8, 9]),
        (" 8\n", [8]),
        # Officially a random number.
        ("", None),
        ("I cannot help with that.", None),
        ("[8]", None),
        ("[8, 9, 3]", None),
        ("[8,  9]", None),
        ("[8.5, 9]", None),
        ("11", None),
        ("-1", None),
        ("7.5", None),
        # Mended as officially: quotes, and a number becomes a list.
        ("{score: 8, reasoning: good}", [8]),
        ('{"score": 7.5, reasoning: nice work}', [7.5]),
        ('{reasoning: "fine", score: 8}', None),  # a quoted value gets quotes again
        ("{score: -3, reasoning: NULL}", None),
        ("{score: [8, 9], reasoning: good}", None),  # the list is cut at its comma
        ("{score: good}", None),
        ("{score: true}", None),
        # Officially asked again without an end.
        ('{"score": [8, 9],}', None),
        ("{'score': [8, 9]}", None),
        ('{"score": [8, 9]} {"score": [8, 9]}', None),
        ('{"scores": [8, 9]}', None),
        ("} {", None),
        ("{8, 9}", None),
        # Officially an error, up to 10,000 times.
        ('{"score": ["8", "9"]}', None),
        ('{"score": "8"}', None),
        ('{"score": []}', None),
        ('{"score": null}', None),
        ('{"score": [8, NaN]}', None),
        ('{"score": [[8, 9]]}', None),
        ("rate_limit_exceeded", None),
    ],
)
def test_the_official_reading_without_its_dice(text: str, scores: list[float] | None) -> None:
    assert official_parse(text) == scores
