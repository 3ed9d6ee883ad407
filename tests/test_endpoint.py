from __future__ import annotations

import asyncio
import gc
import json
import weakref
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from rr_refine.endpoint import Endpoint, EndpointErrors
from rr_refine.errors import ConfigError, RewriteError

if TYPE_CHECKING:
    from collections.abc import Iterator

ERRORS = EndpointErrors(
    unavailable=lambda message: RewriteError(f"unavailable: {message}"),
    timeout=lambda message: RewriteError(f"timeout: {message}"),
    refused=lambda message: RewriteError(f"refused: {message}"),
    rejected=lambda message: RewriteError(f"rejected: {message}"),
    unreadable=lambda message: RewriteError(f"unreadable: {message}"),
)


class Handler(BaseHTTPRequestHandler):
    """A chat endpoint over real sockets, so that connections really belong to a loop."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, {"data": [{"id": "chatty"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = body["messages"][0]["content"]
        if said == "boom":
            self._answer(400, {"error": {"message": "no boom", "code": "content_filter"}})
            return
        message = {"role": "assistant", "content": f"{body['model']}: {said}"}
        self._answer(200, {"choices": [{"index": 0, "message": message}]})

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


async def ask(endpoint: Endpoint, words: str) -> str | None:
    model = await endpoint.model()
    async with endpoint.slot() as client:
        answer = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": words}]
        )
    return answer.choices[0].message.content


def test_one_endpoint_in_one_event_loop_after_another(url: str) -> None:
    endpoint = Endpoint(url, errors=ERRORS)

    async def work() -> list[str | None]:
        answers = await asyncio.gather(*(ask(endpoint, f"hello {i}") for i in range(3)))
        await endpoint.aclose()
        return answers

    assert endpoint.known_model is None
    for _ in range(3):
        assert asyncio.run(work()) == [f"chatty: hello {i}" for i in range(3)]
    assert endpoint.known_model == "chatty"


async def test_the_rooms_own_errors(url: str) -> None:
    endpoint = Endpoint(url, errors=ERRORS)
    with pytest.raises(RewriteError, match=r"^refused: .* answered 400: no boom$"):
        await ask(endpoint, "boom")
    await endpoint.aclose()


async def test_other_exceptions_leave_the_slot_as_they_are(url: str) -> None:
    endpoint = Endpoint(url, errors=ERRORS, concurrency=1)
    for _ in range(2):
        with pytest.raises(KeyError):
            async with endpoint.slot():
                raise KeyError("mine")
    await endpoint.aclose()


async def test_nobody_listens() -> None:
    endpoint = Endpoint("http://127.0.0.1:9/v1", errors=ERRORS, max_retries=0)
    with pytest.raises(RewriteError, match=r"^unavailable: http://127\.0\.0\.1:9/v1 cannot be"):
        await endpoint.model()
    await endpoint.aclose()


def test_an_ended_loop_is_let_go() -> None:
    endpoint = Endpoint("http://127.0.0.1:9/v1", errors=ERRORS)

    async def open_only() -> weakref.ref[asyncio.AbstractEventLoop]:
        async with endpoint.slot():
            return weakref.ref(asyncio.get_running_loop())

    first = asyncio.run(open_only())
    asyncio.run(open_only())
    gc.collect()
    assert first() is None


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://host", "https://host"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_the_url_in_messages(given: str, shown: str) -> None:
    assert Endpoint(given, errors=ERRORS).url == shown


@pytest.mark.parametrize(
    "given",
    [
        "",
        "localhost:8000/v1",
        "ftp://host/v1",
        "http:///v1",
        "http://host:port/v1",
        "https://host/v1?key=secret",
        "https://me:secret@host/v1",
    ],
)
def test_a_url_that_cannot_be_used(given: str) -> None:
    with pytest.raises(ConfigError, match="base_url") as caught:
        Endpoint(given, errors=ERRORS)
    assert "secret" not in str(caught.value)
