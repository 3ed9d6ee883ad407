"""Proxies and certificates of the environment: used where they may be, and told where wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import JsonValue

from rr_refine.endpoint.chat import ChatEndpoint, Message
from rr_refine.endpoint.environment import is_loopback
from rr_refine.endpoint.options import ChatOptions
from rr_refine.errors import ConfigError
from rr_refine.reward.openai import CRITIC_ERRORS

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
KEY = "sk-very-secret"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Handler(BaseHTTPRequestHandler):
    """A server and a proxy: keeps the line and the key of every request."""

    seen: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.answer({"data": [{"id": "m"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.answer({"choices": [{"message": {"content": "hello"}}]})

    def answer(self, body: object) -> None:
        self.seen.append((self.path, self.headers["authorization"]))
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[tuple[int, list[tuple[str, str | None]]]]:
    seen: list[tuple[str, str | None]] = []
    handler = type("Recording", (Handler,), {"seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running.server_port, seen
        running.shutdown()
        thread.join()


def make(url: str, key: str | None = KEY) -> ChatEndpoint:
    given: dict[str, JsonValue] = {"base_url": url, "model": "m", "max_retries": 0, "timeout": 5}
    options = ChatOptions.model_validate({**given, "api_key": key})
    return ChatEndpoint(options, section="critic", errors=CRITIC_ERRORS)


async def ask(endpoint: ChatEndpoint) -> str:
    try:
        await endpoint.connect()
        (choice,), _ = await endpoint.complete((Message("user", ("hi",)),), {})
        return choice.text
    finally:
        await endpoint.aclose()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"])
@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "socks4://127.0.0.1:9", "gopher://x"]
)
async def test_this_machine_is_reached_directly(
    monkeypatch: pytest.MonkeyPatch,
    server: tuple[int, list[tuple[str, str | None]]],
    name: str,
    proxy: str,
) -> None:
    monkeypatch.setenv(name, proxy)
    port, seen = server
    assert await ask(make(f"http://127.0.0.1:{port}/v1")) == "hello"
    assert seen == [("/v1/models", f"Bearer {KEY}"), ("/v1/chat/completions", f"Bearer {KEY}")]


async def test_others_go_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch, server: tuple[int, list[tuple[str, str | None]]]
) -> None:
    port, seen = server
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    assert await ask(make("http://critic.example/v1", key=None)) == "hello"
    assert [path for path, _ in seen] == [
        "http://critic.example/v1/models",
        "http://critic.example/v1/chat/completions",
    ]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
async def test_no_key_goes_to_a_proxy_in_clear(
    monkeypatch: pytest.MonkeyPatch,
    server: tuple[int, list[tuple[str, str | None]]],
    name: str,
) -> None:
    port, seen = server
    monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    with pytest.raises(
        ConfigError, match=rf"critic\.api_key would go .* {name} in clear"
    ) as caught:
        await ask(make("http://critic.example/v1"))
    assert KEY not in str(caught.value)
    assert seen == []


async def test_a_host_without_a_proxy_keeps_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "critic.example")
    endpoint = make("http://critic.example/v1")
    endpoint._sessions.get()
    await endpoint.aclose()


async def test_https_through_a_proxy_keeps_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    endpoint = make("https://critic.example/v1")
    endpoint._sessions.get()
    await endpoint.aclose()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ALL_PROXY", "socks4://me:secret@proxy:1", "ALL_PROXY = 'socks4://proxy:1' is no proxy"),
        ("HTTPS_PROXY", "ftp://proxy", "HTTPS_PROXY = 'ftp://proxy' is no proxy"),
        ("HTTPS_PROXY", "http://proxy:port", "HTTPS_PROXY = 'http://proxy:port' is no URL"),
        ("https_proxy", "gopher://proxy", "https_proxy = 'gopher://proxy' is no proxy"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "SSL_CERT_FILE = '/nowhere/ca.pem' does not exist"),
        ("SSL_CERT_DIR", "/nowhere", "SSL_CERT_DIR = '/nowhere' does not exist"),
    ],
)
async def test_a_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        await ask(make("https://critic.example/v1"))
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_file_without_certificates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("hello")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigError, match=r"SSL_CERT_FILE = .* holds no certificates"):
        await ask(make("https://critic.example/v1"))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LocalHost.", True),
        ("critic.localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("127.1", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", True),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("10.0.0.1", False),
        ("::2", False),
        ("notlocalhost", False),
        ("", False),
    ],
)
def test_what_this_machine_is_called(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
