"""A server that sends a byte now and then is not told to be silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from rr_refine.endpoint.answers import BoundedAnswers, SlowAnswerError
from rr_refine.errors import CriticError, CriticTimeout
from tests.endpoint.test_chat import Server, fails


async def _drip() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.001)


async def test_an_answer_that_drips_is_given_up_for_not_being_whole() -> None:
    inner = httpx2.AsyncClient(
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, content=_drip()))
    )
    answers = BoundedAnswers(inner, 2**30, 0.05, None, lambda: CriticError("too long"))
    async with httpx2.AsyncClient(transport=answers) as client:
        with pytest.raises(SlowAnswerError, match=r"^the answer was not whole after 0\.05 s$"):
            await client.get("http://host/")


async def test_the_message_says_so() -> None:
    def slow(_: object) -> httpx2.Response:
        raise SlowAnswerError(66, httpx2.Request("POST", "http://host/"))

    error = await fails(Server(slow), timeout=3.0)
    assert type(error) is CriticTimeout
    assert str(error).startswith("http://host/v1: the answer was not whole after 66 s: raise")
    assert "sign of life" not in str(error)
