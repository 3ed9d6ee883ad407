"""Where requests, keys and downloads go, and how much comes back at most."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address

import httpx2
import pytest
from pydantic import JsonValue

from rr_refine.endpoint.addresses import is_public
from rr_refine.endpoint.chat import ChatEndpoint, Message
from rr_refine.endpoint.client import EndpointClient
from rr_refine.endpoint.faults import EndpointErrors
from rr_refine.endpoint.options import ChatOptions, EndpointOptions
from rr_refine.errors import ConfigError, RefineError, RewriteError

KEY = "sk-very-secret"
BASE = "http://server:8000/v1"
PUBLIC = "93.184.216.34"
Names = dict[str, list[str]]
Respond = Callable[[httpx2.Request], httpx2.Response]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """The names that there are, with their addresses; others do not exist."""
    known: Names = {"storage.example": [PUBLIC]}

    async def getaddrinfo(
        _: object, host: str, port: int, **__: object
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        found = known.get(host)
        if found is None:
            try:
                found = [str(ip_address(host))]
            except ValueError:
                try:
                    found = [socket.inet_ntoa(socket.inet_aton(host))]
                except OSError:
                    raise socket.gaierror(-2, "no such name") from None
        kind = socket.SOCK_STREAM
        return [(socket.AF_INET, kind, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return known


class Web:
    """Everything behind the client. Keeps what was asked of whom."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self.respond(request)

    @property
    def asked(self) -> list[tuple[str, str, bool]]:
        """Address, name, and whether the key went along."""
        return [
            (str(r.url), r.headers["host"], "authorization" in r.headers) for r in self.requests
        ]


def errors() -> EndpointErrors:
    return EndpointErrors.all(RewriteError)


def client(web: Web, base: str = BASE, **options: JsonValue) -> EndpointClient:
    given = {"base_url": base, "api_key": KEY, "model": "m", "max_retries": 0, **options}
    return EndpointClient(
        EndpointOptions.model_validate(given),
        section="generator",
        errors=errors(),
        http_client=lambda: httpx2.AsyncClient(
            transport=httpx2.MockTransport(web), follow_redirects=True
        ),
    )


def ok(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, content=b"picture")


def moved(to: str, status: int = 302) -> httpx2.Response:
    return httpx2.Response(status, headers={"location": to})


# -- downloads -------------------------------------------------------------------------------------


async def test_the_address_that_was_checked_is_the_one_that_is_asked(names: Names) -> None:
    web = Web(ok)
    url = "https://storage.example/a.png?sign=1"
    assert await client(web).download(url, limit=99) == b"picture"
    (request,) = web.requests
    assert web.asked == [(f"https://{PUBLIC}/a.png?sign=1", "storage.example", False)]
    assert request.extensions["sni_hostname"] == "storage.example"
    assert names


async def test_an_address_that_cannot_be_reached_is_followed_by_the_next(names: Names) -> None:
    def respond(request: httpx2.Request) -> httpx2.Response:
        if request.url.host != PUBLIC:
            raise httpx2.ConnectError("no route")
        return ok(request)

    names["storage.example"] = ["2606:2800:220:1::1", PUBLIC]
    web = Web(respond)
    assert await client(web).download("http://storage.example/a", limit=99) == b"picture"
    assert len(web.requests) == 2


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
        *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.88.99.1"),
        *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
        *("2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "3fff::1", "::7f00:1", "100::1"),
    ],
)
async def test_an_address_that_is_not_public_is_not_asked(names: Names, address: str) -> None:
    web = Web(ok)
    host = f"[{address}]" if ":" in address else address
    urls = ["http://storage.example/a", f"http://{host}/a", f"https://{host}:8000/a"]
    names["storage.example"] = [PUBLIC, address]  # one bad address is enough
    for url in urls:
        with pytest.raises(RewriteError, match="no public address: files are fetched from public"):
            await client(web).download(url, limit=99)
    assert web.requests == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost."])
async def test_other_spellings_of_this_machine(names: Names, host: str) -> None:
    names["localhost."] = ["127.0.0.1"]
    web = Web(ok)
    with pytest.raises(RewriteError):
        await client(web).download(f"http://{host}/latest/meta-data", limit=99)
    assert web.requests == []


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "2606:2800:220:1::1", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("base", "url", "asked"),
    [
        (BASE, "/v1/files/1", "http://server:8000/v1/files/1"),
        (BASE, "http://server:8000/a", "http://server:8000/a"),
        (BASE, "http://SERVER:8000/a", "http://server:8000/a"),
        ("http://10.0.0.7:8000/v1", "http://10.0.0.7:8000/a", "http://10.0.0.7:8000/a"),
        ("http://localhost:8000/v1", "http://127.0.0.1:8000/a", "http://localhost:8000/a"),
        ("http://127.0.0.1:8000/v1", "http://0.0.0.0:8000/a", "http://127.0.0.1:8000/a"),
    ],
)
async def test_a_server_may_name_itself(base: str, url: str, asked: str) -> None:
    web = Web(ok)
    assert await client(web, base).download(url, limit=99) == b"picture"
    assert [(url, key) for url, _, key in web.asked] == [(asked, True)]


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://localhost:8000/v1", "http://localhost:9000/a"),
        ("http://localhost:8000/v1", "https://localhost:8000/a"),
        ("http://10.0.0.7:8000/v1", "http://10.0.0.8:8000/a"),
        ("http://10.0.0.7:8000/v1", "http://127.0.0.1:8000/a"),
    ],
)
async def test_but_no_neighbour(base: str, url: str, names: Names) -> None:
    names["localhost"] = ["127.0.0.1"]
    web = Web(ok)
    with pytest.raises(RewriteError, match="no public address"):
        await client(web, base).download(url, limit=99)
    assert web.requests == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "gopher://x"])
async def test_other_schemes(url: str) -> None:
    web = Web(ok)
    with pytest.raises(RefineError):
        await client(web).download(url, limit=99)
    assert web.requests == []


async def test_each_redirect_is_checked(names: Names) -> None:
    hops = {
        "/a": "https://storage.example/b",
        "/b": "http://169.254.169.254/latest/meta-data",
    }
    web = Web(lambda request: moved(hops[request.url.path]))
    with pytest.raises(RewriteError, match=r"169\.254\.169\.254 is no public address"):
        await client(web).download("/a", limit=99)
    assert web.asked == [
        ("http://server:8000/a", "server:8000", True),
        (f"https://{PUBLIC}/b", "storage.example", False),
    ]
    assert names


async def test_redirects_come_to_an_end(names: Names) -> None:
    web = Web(lambda _: moved("https://storage.example/again"))
    with pytest.raises(RewriteError, match="sent on more than 5 times"):
        await client(web).download("/a", limit=99)
    assert len(web.requests) == 5
    assert names


async def pieces(data: bytes, size: int = 2**16) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


BOMB = gzip.compress(bytes(200 * 2**20), 9)
RAW = zlib.compressobj(9, wbits=-15)
SHORT = b"x" * 500


@pytest.mark.parametrize(
    ("encoding", "data"),
    [("gzip", BOMB), ("deflate", zlib.compress(bytes(2**26))), ("x-gzip", BOMB)],
)
async def test_a_bomb_is_given_up(
    encoding: str, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    real = zlib.decompressobj

    class Counting:
        def __init__(self, wbits: int) -> None:
            self.inner = real(wbits)

        def decompress(self, data: bytes, most: int) -> bytes:
            nonlocal made
            assert most > 0
            out = self.inner.decompress(data, most)
            made += len(out)
            return out

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    headers = {"content-encoding": encoding}
    web = Web(lambda _: httpx2.Response(200, headers=headers, content=pieces(data)))
    with pytest.raises(RewriteError, match="a file of more than 1000 bytes"):
        await client(web).download("/a", limit=1000)
    assert made <= 1001
    with pytest.raises(RewriteError, match="an answer of more than 2 MiB"):
        await chat(web).complete((Message("user", ("hi",)),), {})
    assert made <= 3 * 2**20


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(SHORT, mtime=0)),
        ("deflate", zlib.compress(SHORT)),
        ("deflate", RAW.compress(SHORT) + RAW.flush()),
        ("identity", SHORT),
    ],
)
async def test_what_is_packed_is_unpacked(encoding: str, data: bytes) -> None:
    headers = {"content-encoding": encoding}
    web = Web(lambda _: httpx2.Response(200, headers=headers, content=pieces(data)))
    assert await client(web).download("/a", limit=1000) == SHORT
    assert web.requests[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
async def test_other_packings_are_refused(encoding: str) -> None:
    headers = {"content-encoding": encoding}
    web = Web(lambda _: httpx2.Response(200, headers=headers, content=pieces(SHORT)))
    with pytest.raises(RewriteError, match=f"packed as '{encoding}'"):
        await client(web).download("/a", limit=1000)


async def test_a_trickle_is_given_up() -> None:
    async def slow() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.02)
            yield b"."

    web = Web(lambda _: httpx2.Response(200, content=slow()))
    with pytest.raises(RewriteError, match=r"did not come within 0\.2 s"):
        await client(web, timeout=0.2).download("/a", limit=10**9)


# -- requests --------------------------------------------------------------------------------------


def chat(web: Web, **options: JsonValue) -> ChatEndpoint:
    given = {"base_url": BASE, "api_key": KEY, "model": "m", "max_retries": 2, **options}
    return ChatEndpoint(
        ChatOptions.model_validate(given),
        section="critic",
        errors=errors(),
        http_client=lambda: httpx2.AsyncClient(
            transport=httpx2.MockTransport(web), follow_redirects=True
        ),
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["https://other.example/v1/x?t=1", "http://server:8000/x", "/x"])
async def test_a_post_is_sent_nowhere_else(status: int, to: str) -> None:
    web = Web(lambda _: moved(to, status))
    words = rf"answered {status} and sends the request on to '{to.partition('?')[0]}'; nothing was "
    with pytest.raises(RewriteError, match=words + r"sent there: .* set critic\.base_url") as told:
        await chat(web).complete((Message("user", ("hi",)),), {})
    assert told.value.final
    assert len(web.requests) == 1
    with pytest.raises(RewriteError, match="sends the request on"):
        await chat(web).tell("/sleep")
    assert len(web.requests) == 2


async def test_models_are_looked_up_on_the_same_server_only() -> None:
    def respond(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/v1/models":
            return moved("/v1/models/", 307)
        return httpx2.Response(200, json={"data": [{"id": "m"}]})

    web = Web(respond)
    endpoint = chat(web, model=None)
    await endpoint.connect()
    assert endpoint.model == "m"
    assert [key for _, _, key in web.asked] == [True, True]

    web = Web(lambda _: moved("http://other.example/v1/models"))
    with pytest.raises(ConfigError, match=r"sends the request on to 'http://other.example"):
        await chat(web, model=None).connect()
    assert len(web.requests) == 1
