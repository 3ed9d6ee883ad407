"""What a server's words are about."""

from __future__ import annotations

import time

import pytest
from pydantic import JsonValue

from rr_refine.endpoint.completion import ChatCompletion, Choice, CompletionUsage, json_of
from rr_refine.endpoint.words import Said, status_within

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


ODD_NUMBERS = ("²", "٤٢٩", "4" * 5_000, "-429", "4.29e2", "nan", "1e308", "")


@pytest.mark.parametrize("code", [*ODD_NUMBERS, 10**400, -429, 4.29e2, True, [429], None])
@pytest.mark.parametrize("key", ["code", "status", "status_code"])
def test_a_status_that_is_none_is_no_status(key: str, code: JsonValue) -> None:
    assert status_within({"error": {key: code, "message": "no"}}) is None


@pytest.mark.parametrize("code", [429, "429"])
def test_one_that_is_one_is(code: JsonValue) -> None:
    assert status_within({"error": {"code": code}}) == 429


@pytest.mark.parametrize(
    "tokens", [*ODD_NUMBERS, "9" * 15, 1e308, -1e308, 10**400, -1, 2.5, True, [3], {"a": 1}]
)
def test_tokens_that_nobody_counts_are_unknown(tokens: JsonValue) -> None:
    usage = CompletionUsage.model_validate({"prompt_tokens": tokens, "completion_tokens": tokens})
    assert (usage.asked, usage.answered) == (None, None)


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity", "1e308", "-3"])
def test_nor_are_they_in_an_answer(number: str) -> None:
    usage = f'{{"total_tokens": 5, "prompt_tokens": {number}}}'
    text = f'{{"choices": [{{"message": {{"content": "yes"}}}}], "usage": {usage}}}'
    answer = ChatCompletion.model_validate_json(text)
    assert answer.choices[0].text == "yes"
    assert answer.usage is None or answer.usage.asked is None


@pytest.mark.parametrize("logprob", ["1000", "1e308", "NaN", "Infinity", '"x"', "0.5", "1", "0.02"])
def test_odd_probabilities_are_none(logprob: str) -> None:
    token = f'{{"token": "A", "logprob": {logprob}, "top_logprobs": []}}'
    choice = Choice.model_validate_json(
        f'{{"message": {{"content": "A"}}, "logprobs": {{"content": [{token}]}}}}'
    )
    assert choice.logprobs is None


@pytest.mark.parametrize(
    ("own", "other", "told"),
    [
        ("-0.7", "-0.7", {"A": -0.7, "B": -0.7}),
        ("1e-7", "-20", {"A": 0.0, "B": -20.0}),  # rounded
        ("-0.1", "-0.1", {}),  # 181 % together
        ("0", "-1", {}),
    ],
)
def test_probabilities_are_no_more_than_certain(
    own: str, other: str, told: dict[str, float]
) -> None:
    tops = f'[{{"token": "A", "logprob": {own}}}, {{"token": "B", "logprob": {other}}}]'
    place = f'{{"token": "A", "logprob": {own}, "top_logprobs": {tops}}}'
    choice = Choice.model_validate_json(
        f'{{"message": {{"content": "A"}}, "logprobs": {{"content": [{place}]}}}}'
    )
    assert choice.first_tokens == told
