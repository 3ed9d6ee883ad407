"""What a server tells of its tokens is believed where it can be true."""

from __future__ import annotations

import httpx2
import pytest
from pydantic import JsonValue

from rr_refine.endpoint.chat import Message
from rr_refine.endpoint.token_bounds import fewest_of, fewest_tokens, most_tokens, possible
from tests.endpoint.test_chat import FIELDS, Server, always, ask, completion, fails

TELLS_TOO_FEW = (
    "the endpoint tells fewer tokens than its texts can have: the most that they can be is counted"
)
LONG = "The cat sits to the left of a small red cup. " * 4 + "Its ears, tail and paws are whole. "


@pytest.mark.parametrize(
    ("text", "fewest"),
    [
        ("", 0),
        ("a", 1),
        ("NavigationItemSelectedListener", 1),
        (" " * 1000, 1),
        ("=" * 1000, 1),
        ("-=" * 500, 1),
        (f"yes{' ' * 1000}no", 1),
        (LONG, 6),
        ("无需修改。" * 100, 46),
    ],
)
def test_no_text_has_fewer_tokens(text: str, fewest: int) -> None:
    assert fewest_of(text) == fewest
    assert fewest_of(text) <= most_tokens([Message("user", (text,))])


@pytest.mark.parametrize(("told", "held"), [(None, None), (0, None), (2, None), (3, 3), (9, 9)])
def test_what_cannot_be_true_is_unknown(told: int | None, held: int | None) -> None:
    assert possible(told, 3) == held


async def test_an_answer_of_one_token_that_is_long_is_counted_as_the_most() -> None:
    usage: JsonValue = {"prompt_tokens": 31, "completion_tokens": 1}
    _, cost = await ask(always(completion({"content": LONG}, usage=usage)))
    assert (cost.prompt_tokens, cost.completion_tokens, cost.assumed_tokens) == (31, 50, 50)
    assert cost.notices == (TELLS_TOO_FEW,)


async def test_an_answer_that_is_longer_than_its_limit_has_at_most_its_bytes() -> None:
    text = LONG * 20
    _, cost = await ask(always(completion({"content": text})))
    assert (cost.completion_tokens, cost.assumed_tokens) == (len(text), len(text))


async def test_an_answer_of_thoughts_likewise() -> None:
    usage: JsonValue = {"prompt_tokens": 31, "completion_tokens": 1}
    message: JsonValue = {"content": None, "reasoning_content": LONG}
    cost = (await fails(always(completion(message, usage=usage)))).usage
    assert cost is not None
    assert (cost.completion_tokens, cost.assumed_tokens) == (50, 50)


async def test_a_question_likewise() -> None:
    server: Server = always(completion(usage={"prompt_tokens": 1, "completion_tokens": 6}))
    question = (Message("user", (LONG,)),)
    assert fewest_tokens(question) > 1
    _, cost = await server.client().complete(question, FIELDS)
    assert (cost.prompt_tokens, cost.completion_tokens) == (most_tokens(question), 6)
    assert cost.assumed_tokens == most_tokens(question)
    assert cost.notices == (TELLS_TOO_FEW,)


async def test_a_short_answer_of_one_token_is_believed() -> None:
    usage: JsonValue = {"prompt_tokens": 31, "completion_tokens": 1}
    _, cost = await ask(Server(lambda _: httpx2.Response(200, json=completion(usage=usage))))
    assert (cost.tokens, cost.assumed_tokens, cost.notices) == (32, 0, ())
