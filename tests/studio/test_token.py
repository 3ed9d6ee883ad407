"""Who started the studio comes in, and nobody else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from rr_refine.errors import ConfigError
from rr_refine.studio.guard import Guard
from tests.studio.visitor import Visitor, opened

OWN = "correct-horse-battery"


@pytest.fixture
async def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Visitor]:
    """Another user of this machine, at a studio that was started without any options."""
    monkeypatch.chdir(tmp_path)
    async with opened(tmp_path / "runs", shown=False) as visitor:
        yield visitor


async def a_run(visitor: Visitor) -> tuple[str, str]:
    """Name and a picture of a run."""
    visitor.http.headers.update(visitor.bearer)
    name = await visitor.begin("a cat", preset="one-shot")
    (rendered,) = (await visitor.watch(name)).of("rendered")
    del visitor.http.headers["authorization"]
    return name, rendered.image


async def enter(visitor: Visitor) -> str:
    """Open the page with the token, as a browser does; gives the key, for the ends of addresses."""
    welcome = await visitor.get(f"/?token={visitor.token}")
    return welcome.headers["location"].removeprefix("/#")


async def test_nothing_is_shown_without_the_token(stranger: Visitor) -> None:
    name, image = await a_run(stranger)
    paths = ["/", "/page/studio.js", "/page/studio.css", "/page/icon.svg", "/api/studio"]
    paths += ["/api/runs", f"/api/runs/{name}/events", f"/runs/{name}/result.png"]
    paths += [f"/runs/{name}/small/{image}.png", f"/runs/{name}/whole/{image}.png"]
    paths += ["/nothing", "/api/nothing", "//", "/?token=", "/?token=x", "/api/runs?token=x"]
    paths += [f"/api/runs?token={stranger.token}", f"/page/studio.js?token={stranger.token}"]
    port = stranger.url.rpartition(":")[2]
    cookie = f"rr-refine-studio-{port}"
    wrong = [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {stranger.token}"},
        {"Authorization": f"Bearer {stranger.token}x"},
        {"Authorization": f"Bearer {stranger.token[:-1]}"},
        {"Authorization": "Bearer ü"},
        {"Cookie": f"{cookie}=x"},
        {"Cookie": f"{cookie}={stranger.token}"},  # the cookie is not the token
        {"Cookie": f"\x7f=;;{cookie}"},
    ]
    for headers in wrong:
        raw = [(key.encode(), value.encode()) for key, value in headers.items()]
        for path in paths:
            for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "TRACE"):
                answer = await stranger.http.request(method, path, headers=raw)
                assert answer.status_code == 401, (method, path, headers)
                assert answer.headers["cache-control"] == "no-store"
                assert "set-cookie" not in answer.headers
                assert name not in answer.text


async def test_a_stranger_is_told_what_to_do(stranger: Visitor) -> None:
    page = await stranger.get("/", Accept="text/html,*/*")
    assert page.headers["content-type"].startswith("text/html")
    for words in ("rr-refine studio", "?token=", "Authorization: Bearer"):
        assert words in page.text
    # Its style is allowed by its digest, and nothing else is.
    assert "style-src 'sha256-" in page.headers["content-security-policy"]
    assert "script-src" not in page.headers["content-security-policy"]
    told = await stranger.get("/api/runs")
    assert "Open the address that it printed" in told.json()["error"]


async def test_the_token_becomes_a_cookie_and_leaves_the_address(stranger: Visitor) -> None:
    key = await enter(stranger)
    welcome = await stranger.get(f"/?token={stranger.token}")
    assert (welcome.status_code, welcome.headers["location"]) == (303, f"/#{key}")
    assert re.fullmatch("key=[0-9a-f]{64}", key)
    assert welcome.headers["referrer-policy"] == "no-referrer"
    assert welcome.headers["cache-control"] == "no-store"
    port = stranger.url.rpartition(":")[2]
    name, _, rest = welcome.headers["set-cookie"].partition("=")
    assert name == f"rr-refine-studio-{port}"
    value, *attributes = [part.strip().lower() for part in rest.split(";")]
    assert {"httponly", "samesite=strict", "path=/"} <= set(attributes)
    for secret in (stranger.token.lower(), key.removeprefix("key=")):
        assert secret not in value
    for path in ("/", "/page/studio.js", f"/api/studio?{key}", f"/api/runs?{key}"):
        assert (await stranger.get(path)).status_code == 200
    begun = await stranger.post(f"/api/runs?{key}", {"prompt": "a cat", "preset": "one-shot"})
    assert begun.status_code == 201


async def test_a_cookie_in_other_hands_opens_nothing(stranger: Visitor) -> None:
    """A browser sends it to all ports of a machine; nor does an address without it."""
    name, image = await a_run(stranger)
    key = await enter(stranger)
    paths = ["/api/studio", "/api/runs", f"/api/runs/{name}/events", f"/runs/{name}/result.png"]
    paths += [f"/runs/{name}/{size}/{image}.png" for size in ("small", "whole")]
    for path in paths:
        assert (await stranger.get(f"{path}?{key}")).status_code == 200
    cookie = dict(stranger.http.cookies)
    wrong = ["", "?key=", "?key=x", f"?key={stranger.token}", f"?key={next(iter(cookie.values()))}"]
    wrong += [f"?token={stranger.token}", f"?key=x&{key}"]
    for path in paths:
        for query in wrong:
            assert (await stranger.get(path + query)).status_code == 401, query
    for path in ("", f"/{name}/stop", f"/{name}/resume", f"/{name}/decision"):
        assert (await stranger.post(f"/api/runs{path}", {"prompt": "a"})).status_code == 401
    stranger.http.cookies.clear()
    for path in ("/", "/page/studio.js", *paths):
        assert (await stranger.get(f"{path}?{key}")).status_code == 401


async def test_cookies_of_other_ports_do_not_matter(stranger: Visitor) -> None:
    welcome = await stranger.get(f"/?token={stranger.token}")
    mine = welcome.headers["set-cookie"].partition(";")[0]
    name = mine.partition("=")[0]
    key = await enter(stranger)
    for cookie in (f"{name}=other; {mine}", f'a b="[x; {mine}', f"rr-refine-studio-1=x;{mine}"):
        async with httpx2.AsyncClient(base_url=stranger.url) as http:
            answer = await http.get(f"/api/studio?{key}", headers={"Cookie": cookie})
            assert answer.status_code == 200, cookie


async def test_two_studios_at_once_keep_their_visitors_apart(tmp_path: Path) -> None:
    async with opened(tmp_path / "a", shown=False) as one, opened(tmp_path / "b") as other:
        assert one.token != other.token
        welcome = await one.get(f"/?token={one.token}")
        value = welcome.headers["set-cookie"].partition(";")[0].partition("=")[2]
        port = other.url.rpartition(":")[2]
        async with httpx2.AsyncClient(base_url=other.url) as http:
            cookie = f"rr-refine-studio-{port}={value}"
            assert (await http.get("/", headers={"Cookie": cookie})).status_code == 401
            assert (await http.get(f"/?token={one.token}")).status_code == 401


async def test_an_own_token_survives_a_restart(tmp_path: Path) -> None:
    values = []
    for _ in range(2):
        async with opened(tmp_path / "runs", token=OWN, shown=False) as visitor:
            welcome = await visitor.get(f"/?token={OWN}")
            cookie = welcome.headers["set-cookie"].partition("=")[2]
            values.append((cookie, welcome.headers["location"]))
    assert values[0] == values[1]


async def test_scripts_bring_the_token_in_a_header(stranger: Visitor) -> None:
    json = {"Content-Type": "application/json"}
    body = b'{"prompt": "a cat", "preset": "one-shot"}'
    script = {**json, **stranger.bearer}
    begun = await stranger.http.post("/api/runs", content=body, headers=script)
    assert begun.status_code == 201  # without an Origin: that is what browsers send
    for origin, status in ((stranger.url, 201), ("http://evil.example", 403), ("", 403)):
        headers = {**script, "Origin": origin}
        answer = await stranger.http.post("/api/runs", content=body, headers=headers)
        assert answer.status_code == status, origin
    key = await enter(stranger)
    without = await stranger.http.post(f"/api/runs?{key}", content=body, headers=json)
    assert without.status_code == 403  # a browser, which has the cookie, says where it comes from


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
    ],
)
async def test_a_page_of_another_port_gets_nothing(
    stranger: Visitor, headers: dict[str, str], status: int
) -> None:
    key = await enter(stranger)
    for path in (f"/api/runs?{key}", "/page/studio.js"):
        assert (await stranger.get(path, **headers)).status_code == status


async def test_a_link_of_another_page_is_followed_once_more_by_ours(stranger: Visitor) -> None:
    """A browser leaves the cookie out then, and brings it with the next request."""
    linked = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    for site, again in (("cross-site", True), ("same-site", True), ("same-origin", False)):
        page = await stranger.get("/", **linked, **{"Sec-Fetch-Site": site})
        assert page.status_code == 401
        assert ('http-equiv="refresh" content="0;url=/"' in page.text) == again


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_names_of_the_studio(tmp_path: Path, host: str) -> None:
    async with opened(tmp_path / "runs", host=host) as visitor:
        for name, status in (
            ("192.168.0.7:80", 200 if host == "0.0.0.0" else 421),
            ("evil.example", 421),
            ("127.0.0.1:1", 200),
        ):
            assert (await visitor.get("/api/studio", Host=name)).status_code == status


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "ü" * 20, "x" * 20 + "\n"])
def test_tokens_that_can_be_guessed(token: str) -> None:
    with pytest.raises(ConfigError, match="token"):
        Guard(None, token=token)  # type: ignore[arg-type]


async def test_websockets_are_turned_away() -> None:
    sent = []

    async def send(message: object) -> None:
        sent.append(message)

    guard = Guard(None, token=OWN)  # type: ignore[arg-type]
    await guard({"type": "websocket"}, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]
