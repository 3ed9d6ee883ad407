"""What a server's words are about."""

from __future__ import annotations

import pytest

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
