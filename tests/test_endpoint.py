from __future__ import annotations

import asyncio
import gc
import json
import traceback
import weakref
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx2
import pytest
from pydantic import JsonValue, SecretStr

from rr_refine.endpoint.chat import ChatEndpoint, Message
from rr_refine.endpoint.faults import EndpointErrors
from rr_refine.endpoint.options import ChatOptions
from rr_refine.errors import ConfigError, RewriteError

ERRORS = EndpointErrors(
    unavailable=lambda message: RewriteError(f"unavailable: {message}"),
    timeout=lambda message: RewriteError(f"timeout: {message}"),
    refused=lambda message: RewriteError(f"refused: {message}"),
    rejected=lambda message: RewriteError(f"rejected: {message}"),
    unreadable=lambda message: RewriteError(f"unreadable: {message}"),
    unanswered=lambda message: RewriteError(f"unanswered: {message}"),
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


def make(url: str, **options: JsonValue) -> ChatEndpoint:
    given = ChatOptions.model_validate({"base_url": url, "max_retries": 0, **options})
    return ChatEndpoint(given, section="rewriter.llm", errors=ERRORS)


def answering(answer: Callable[[httpx2.Request], httpx2.Response]) -> ChatEndpoint:
    """An endpoint whose requests end here."""
    given = ChatOptions(
        base_url="http://host/v1", model="m", api_key=SecretStr("sk-secret"), max_retries=0
    )
    return ChatEndpoint(
        given,
        section="rewriter.llm",
        errors=ERRORS,
        http_client=lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(answer)),
    )


async def ask(endpoint: ChatEndpoint, words: str) -> str | None:
    (choice,), _ = await endpoint.complete((Message("user", (words,)),), {})
    return choice.message.content


def test_one_endpoint_in_one_event_loop_after_another(url: str) -> None:
    endpoint = make(url)

    async def work() -> list[str | None]:
        answers = await asyncio.gather(*(ask(endpoint, f"hello {i}") for i in range(3)))
        await endpoint.aclose()
        return answers

    with pytest.raises(ConfigError, match=r"not known before .*; set rewriter\.llm\.model"):
        _ = endpoint.model
    for _ in range(3):
        assert asyncio.run(work()) == [f"chatty: hello {i}" for i in range(3)]
    assert endpoint.model == "chatty"


async def test_the_rooms_own_errors(url: str) -> None:
    endpoint = make(url)
    with pytest.raises(RewriteError, match=r"^refused: .* answered 400: no boom$"):
        await ask(endpoint, "boom")
    await endpoint.aclose()


async def test_other_exceptions_leave_as_they_are_and_free_the_place() -> None:
    endpoint = make("http://127.0.0.1:9/v1", model="m", concurrency=1)
    cyclic: dict[str, JsonValue] = {}
    cyclic["self"] = cyclic
    for _ in range(2):
        with pytest.raises((ValueError, RecursionError)):
            await endpoint.complete((), {"odd": cyclic})
    await endpoint.aclose()


async def test_nobody_listens() -> None:
    endpoint = make("http://127.0.0.1:9/v1")
    with pytest.raises(RewriteError, match=r"^unavailable: http://127\.0\.0\.1:9/v1 cannot be"):
        await endpoint.connect()
    await endpoint.aclose()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>welcome</html>", "Invalid JSON.*rewriter.llm.base_url right.*: <html>welcome"),
        (b"{", "Invalid JSON"),
        (b"", "Invalid JSON.*It sent: nothing"),
        (b"[]", "valid dictionary|object"),
        (b"\xff\xfe", "JSON"),
        (b'{"choices": null}', "choices: "),
        (b'{"choices": [{"message": {"content": 7}}]}', r"choices\.0\.message\.content: "),
        (b'"sk-secret"', r"It sent: "),
        (b'"' + b"x" * 1_000_000, "Invalid JSON"),
        (b'"' + b"x" * 10_000_000, "an answer of more than 2 MiB"),
    ],
)
async def test_a_body_that_is_no_completion(body: bytes, words: str) -> None:
    endpoint = answering(lambda _: httpx2.Response(200, content=body))
    with pytest.raises(RewriteError, match=f"^unreadable: .*{words}") as caught:
        await ask(endpoint, "hello")
    assert len(str(caught.value)) < 800
    assert "sk-secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("listing", "words"),
    [
        (httpx2.Response(200, json={"data": [{"id": "a"}]}), "does not serve 'm'; it serves 'a'"),
        (httpx2.Response(200, json={"data": []}), "does not serve 'm'; it serves nothing"),
        (
            httpx2.Response(200, json={"data": [{"id": str(i)} for i in range(100, 200)]}),
            r"'119', … \(100 in all\)",
        ),
        # These say nothing new, so that the 404 itself is told.
        (httpx2.Response(200, json={"data": [{"id": "m"}]}), "404: no such thing; check"),
        (httpx2.Response(404), "404: no such thing; check"),
        (httpx2.Response(500), "404: no such thing; check"),
        (httpx2.Response(200, text="<html>"), "404: no such thing; check"),
    ],
)
async def test_a_404_says_which_models_there_are(listing: httpx2.Response, words: str) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return listing
        return httpx2.Response(404, json={"error": {"message": "no such thing"}})

    with pytest.raises(ConfigError, match=words):
        await ask(answering(answer), "hello")


def test_an_ended_loop_is_let_go() -> None:
    endpoint = make("http://127.0.0.1:9/v1", model="m")

    async def open_only() -> weakref.ref[asyncio.AbstractEventLoop]:
        with pytest.raises(RewriteError):
            await endpoint.connect()
        return weakref.ref(asyncio.get_running_loop())

    first = asyncio.run(open_only())
    asyncio.run(open_only())
    gc.collect()
    assert first() is None


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://host", "https://host/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("https://host/openai/v2", "https://host/openai/v2"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_the_url_is_completed(given: str, used: str) -> None:
    assert make(given).url == used


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
        "https://me:secret@host:port/v1",
        "https://me:secret@[/v1",
        "me:secret@host/v1",
    ],
)
def test_a_url_that_cannot_be_used(given: str) -> None:
    with pytest.raises(ConfigError, match=r"rewriter\.llm\.base_url") as caught:
        make(given)
    assert "secret" not in str(caught.value)
