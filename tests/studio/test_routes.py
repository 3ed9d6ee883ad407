"""Every route of the application, found in the application itself, and all that may come to it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from rr_refine.studio.app import create_app
from tests.studio.visitor import Visitor

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW"]
DEEP = b'{"prompt":' + b"[" * 10**6
PARTS = [
    *("..", ".", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fsecret", "....//"),
    *("%00", "x%00.png", "%0d%0aX-Evil: 1", "%c0%ae", "%ff%fe", "%e2%80%ae", "%F0%9F%90%B1"),
    *("a%20b", "-", "%5c..%5c", "x" * 20_000, "0" * 64, "9" * 5000, "*", "%3Cscript%3E", "con"),
]


class Routes:
    """The routes of a studio that has a run, each with an address that leads somewhere."""

    def __init__(self, visitor: Visitor, values: dict[str, str]) -> None:
        self.visitor, self.values = visitor, values
        guard = create_app(visitor.studio, token=visitor.token)
        self.all = cast("list[Route]", cast("Starlette", guard._app).routes)

    def path(self, route: Route, **other: str) -> str:
        """An address of a route; a new kind of part needs a value here."""
        found = {key: self.values[key] for key in route.param_convertors}
        return route.path_format.format(**found | other)

    async def ask(
        self, method: str, path: str, body: bytes = b"{}", **other: str
    ) -> tuple[int, str, bytes]:
        """The status of an answer, its head and its body, to a request as it stands."""
        port = int(self.visitor.url.rpartition(":")[2])
        headers = {
            "Host": f"127.0.0.1:{port}",
            "Connection": "close",
            "Authorization": f"Bearer {self.visitor.token}",
            "Origin": self.visitor.url,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        } | {key.replace("_", "-"): value for key, value in other.items()}
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items() if v)]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        async with asyncio.timeout(30):
            head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), head.decode("latin-1").lower(), rest


@pytest.fixture
async def routes(visitor: Visitor, tmp_path: Path) -> AsyncIterator[Routes]:
    (tmp_path / "secret").write_text("the neighbour's key")
    name = await visitor.begin("a cat", preset="one-shot")
    (rendered,) = (await visitor.watch(name)).of("rendered")
    values = {"name": name, "size": "small", "digest": rendered.image, "file": "studio.js"}
    yield Routes(visitor, values)
    # Whatever came, the studio and its run are as they were.
    assert [tile["problem"] for tile in (await visitor.get("/api/runs")).json()] == [""]


def in_words(status: int, head: str, body: bytes) -> None:
    """A refusal says something to people."""
    assert 400 <= status < 500, (status, head, body[:300])
    assert b"the neighbour's key" not in body
    assert "x-evil" not in head
    text = body.decode()
    if "application/json" in head:
        text = json.loads(text)["error"]
    assert re.search("[a-zA-Z]{3}", text), head


async def test_every_route_wants_the_token(routes: Routes) -> None:
    assert len(routes.all) > 10
    for route in routes.all:
        path = routes.path(route)
        for method in METHODS:
            for given in ("", "Bearer wrong", f"Bearer {routes.visitor.token}x"):
                status, head, body = await routes.ask(method, path, Authorization=given)
                assert status in (401, 400), (method, path)  # CONNECT is no request of HTTP's
                if method != "HEAD":
                    in_words(status, head, body)


async def test_every_route_is_for_our_page_and_our_name(routes: Routes) -> None:
    for route in routes.all:
        path = routes.path(route)
        for method in METHODS[:-2]:
            evil = await routes.ask(method, path, Host="evil.example")
            assert evil[0] == 421, (method, path)
            for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
                other = await routes.ask(
                    method, path, Origin=origin, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="cors"
                )
                assert other[0] == 403, (method, path)
                if method not in ("GET", "HEAD"):
                    alone = await routes.ask(method, path, Origin=origin)
                    assert alone[0] == 403, (method, path)


async def test_every_route_has_its_methods_only(routes: Routes) -> None:
    own: dict[str, set[str]] = {}
    for route in routes.all:
        own.setdefault(route.path, set()).update(route.methods or ())
    for route in routes.all:
        for method in set(METHODS) - own[route.path] - {"CONNECT"}:
            status, head, body = await routes.ask(method, routes.path(route))
            assert status == 405, (method, route.path)
            if method != "HEAD":
                in_words(status, head, body)


async def test_every_route_answers_odd_names_in_words(routes: Routes) -> None:
    for route in routes.all:
        method = "POST" if "POST" in (route.methods or ()) else "GET"
        for key in route.param_convertors:
            for part in PARTS:
                path = routes.path(route, **{key: part})
                status, head, body = await routes.ask(method, path)
                in_words(status, head, body)


@pytest.mark.parametrize(
    "body",
    [
        DEEP,
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"1" * 10**6,
        b"\xff\xfe\x00",
        b"\0" * 1000,
        b'{"prompt": "\\ud800"}',
        b'{"prompt": {"prompt": 1}}',
        b'{"prompt": "a", "seed": 1e999}',
        b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}",
        b'{"prompt": "a", "picture": "' + b"A" * 10**6 + b'"}',
        b'{"prompt": "a", "preset": ["refine"]}',
        b'{"prompt": "a\\u0000b", "keep": [1]}',
        b'{"question": 1e999, "decision": {"action": "accept"}}',
        b'{"question": 1, "decision": {"action": "accept", "action": {}}}',
    ],
    ids=lambda body: ascii(body[:30]),
)
async def test_every_route_answers_odd_bodies_in_words(routes: Routes, body: bytes) -> None:
    changing = [route for route in routes.all if "POST" in (route.methods or ())]
    assert len(changing) >= 4
    for route in changing:
        status, head, rest = await routes.ask("POST", routes.path(route), body)
        in_words(status, head, rest)


@pytest.mark.parametrize(
    "query", ["after=9", "after=-1", "after=x", "after=%00", "after=1&after=2"]
)
async def test_every_route_takes_odd_questions(routes: Routes, query: str) -> None:
    for route in routes.all:
        if "GET" in (route.methods or ()):
            answer = await routes.ask("GET", f"{routes.path(route)}?{query}", Last_Event_ID="x\xff")
            assert answer[0] == 200, route.path
