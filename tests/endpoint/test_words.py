"""What a server's words are about."""

from __future__ import annotations

import time

import pytest

from rr_refine.endpoint.completion import json_of
from rr_refine.endpoint.words import Said

FIELDS = ("max_tokens", "temperature", "n")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("n must be 1", "n"),
        ("'n' must be at most 1", "n"),
        ("temperature must be less than or equal to 1", "temperature"),
        ("only one value of 'n' is served", "n"),
        # A bound that begins with the same digit says nothing against the field itself.
        ("max_tokens must be less than or equal to 16384", None),
        ("max_tokens must be 1024 or less", None),
        ("max_tokens is at most 128000, and only 131072 fit", None),
    ],
)
def test_the_field_that_is_not_taken(text: str, field: str | None) -> None:
    assert Said.read({"error": {"message": text}}).refused_field(FIELDS) == field


@pytest.mark.parametrize("text", ["exceed" * 10_000, "violat" * 10_000])
def test_long_words_are_soon_read(text: str) -> None:
    started = time.process_time()
    assert Said.read(text).topic(FIELDS) == "other"
    assert time.process_time() - started < 1


def test_many_comments_before_an_answer_are_soon_left_out() -> None:
    started = time.process_time()
    assert json_of(b": keep\r\n\r\n" * 100_000 + b'data: {"a": 1}\n\n') == b' {"a": 1}'
    assert time.process_time() - started < 1
