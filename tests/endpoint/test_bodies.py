"""Packed bodies that are hostile: what comes behind their end, and what is not packed at all."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncIterator

import httpx2
import pytest

from rr_refine.endpoint.answers import BoundedAnswers
from rr_refine.endpoint.bodies import read_body
from rr_refine.endpoint.completion import json_of
from rr_refine.errors import RefineError
from rr_refine.retries import without_retries


class Endless(httpx2.AsyncByteStream):
    """A whole packed answer, and then bytes for ever."""

    def __init__(self, first: bytes) -> None:
        self.first = first
        self.pieces = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.first
        while True:
            self.pieces += 1
            if self.pieces > 9:
                raise AssertionError("read on behind the end")
            yield b"x" * 1000


class Once(httpx2.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self.body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.body


def answer(stream: httpx2.AsyncByteStream, packed: str) -> httpx2.Response:
    return httpx2.Response(200, headers={"content-encoding": packed}, stream=stream)


@pytest.mark.parametrize(
    ("body", "packed"),
    [
        (gzip.compress(b"{}", mtime=0), "gzip"),  # the same in each process: it names the test
        (zlib.compress(b"{}"), "deflate"),
        (zlib.compress(b"{}", wbits=-zlib.MAX_WBITS), "deflate"),
    ],
)
async def test_nothing_is_read_behind_the_end(body: bytes, packed: str) -> None:
    stream = Endless(body)
    assert await read_body(answer(stream, packed), 100) == b"{}"
    assert stream.pieces == 0


@pytest.mark.parametrize("packed", ["gzip", "deflate"])
async def test_what_is_not_packed_is_said(packed: str) -> None:
    stream = Once(b"\xff\xffnot packed at all")
    with pytest.raises(ValueError, match=f"it is no {packed}"):
        await read_body(answer(stream, packed), 100)


KEY = "sk-01/456789"


class Drip(httpx2.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            yield b" "


def answers(stream: httpx2.AsyncByteStream, patience: float = 60) -> httpx2.AsyncClient:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, stream=stream))
    client = httpx2.AsyncClient(transport=transport)
    too_much = lambda: RefineError("too much")  # noqa: E731
    bounded = BoundedAnswers(client, 2**26, patience, KEY, too_much)
    return httpx2.AsyncClient(transport=bounded)


async def test_an_answer_in_drips_has_an_end() -> None:
    with pytest.raises(httpx2.ReadTimeout, match=r"was not whole after 0\.2 s"):
        await answers(Drip(), 0.2).post("http://x/v1")


async def test_checks_of_several_servers_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """`doctor` asks one after the other, and each may drip."""
    monkeypatch.setattr("rr_refine.retries._EACH", 0.1)
    started = time.monotonic()
    with without_retries(seconds=0.5):
        for _ in range(4):
            with pytest.raises(httpx2.ReadTimeout, match="was not whole after 0"):
                await answers(Drip()).post("http://x/v1")
    assert 0.8 <= time.monotonic() - started < 3  # once 0.5 s, three times 0.1 s


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[' + b"{}," * 200_000 + b"{}]}",
        b'{"data":[{"b64_json":null}],"x":[' + b"[]," * 200_000 + b"[]]}",
        b"[" * 200_001,
        b"{" * 200_001,
    ],
    ids=["objects", "lists", "deep lists", "deep objects"],
)
async def test_what_would_become_large_is_not_parsed(body: bytes) -> None:
    with pytest.raises(RefineError, match="too much"):
        await answers(Once(body)).post("http://x/v1")


async def test_a_long_picture_is_no_many_parts() -> None:
    body = b'{"data":[{"b64_json":"' + b"iVBORw0KGgo" * 2_000_000 + b'"}]}'
    assert (await answers(Once(body)).post("http://x/v1")).content == body


@pytest.mark.parametrize(
    "spelt",
    [KEY, KEY.replace("/", r"\/"), "".join(f"\\u{ord(c):04X}" for c in KEY), r"sk-0\u0031\/456789"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
async def test_a_key_that_is_repeated_is_masked(spelt: str, encoding: str) -> None:
    body = f'{{"data":[{{"id":"m-{spelt}"}}],"x":"{spelt}"}}'.encode(encoding)
    found = (await answers(Once(body)).post("http://x/v1")).content
    assert json_of(found) == b'{"data":[{"id":"m-***"}],"x":"***"}'
