"""What a visitor cannot use up: places, memory, the event loop, connections."""

from __future__ import annotations

import asyncio
import base64
import io
import socket
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFile

from rr_refine.generators.fake import FakeGenerator
from rr_refine.studio import app, connection, guard, uploads
from rr_refine.studio.server import MAX_CONNECTIONS
from rr_refine.studio.uploads import read_upload
from tests.studio.visitor import Visitor, opened
from tests.test_picture_file import bomb

HANGING: dict[str, Any] = {"generator__script": ["hang"] * 9}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def picture(width: int = 20, height: int = 30) -> str:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "orange").save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


async def test_only_so_many_runs_are_let_in(tmp_path: Path) -> None:
    async with opened(tmp_path / "runs", max_runs=2, **HANGING) as visitor:
        form = {"prompt": "a cat"}
        answers = await asyncio.gather(*(visitor.post("/api/runs", form) for _ in range(6)))
        begun = [answer.json()["name"] for answer in answers if answer.status_code == 201]
        full = [answer for answer in answers if answer.status_code == 429]
        assert (len(begun), len(full)) == (2, 4)
        assert "2 runs are at work" in full[0].json()["error"]
        assert "studio.max_runs" in full[0].json()["error"]
        assert int(full[0].headers["retry-after"]) > 0
        assert len(list((tmp_path / "runs").iterdir())) == 2
        assert (await visitor.get("/api/studio")).status_code == 200
        assert (await visitor.post(f"/api/runs/{begun[0]}/stop", {})).status_code == 200
        third = await visitor.post("/api/runs", form)
        assert third.status_code == 201
        again = await visitor.post(f"/api/runs/{begun[0]}/resume", {})
        assert again.status_code == 429  # to go on takes a place, too
        going = await visitor.post(f"/api/runs/{begun[1]}/resume", {})
        assert going.status_code == 200  # it has its place


async def test_runs_that_could_not_begin_leave_their_place(tmp_path: Path) -> None:
    async with opened(tmp_path / "runs", max_runs=1) as visitor:
        for form in ({"prompt": ""}, {"prompt": "a", "picture": "?"}, {"prompt": "a", "x": 1}):
            assert (await visitor.post("/api/runs", form)).status_code == 400
        name = await visitor.begin("a cat", preset="one-shot")
        await visitor.watch(name)
        assert (await visitor.begin("a cat", preset="one-shot")) != name


async def test_a_run_that_waits_for_a_decision_has_a_place(tmp_path: Path) -> None:
    more: dict[str, Any] = {"critic__seed": 1, "loop__target": 4.0}
    async with opened(tmp_path / "runs", max_runs=1, **more) as visitor:
        name = await visitor.begin("a cat", review=True)
        await visitor.ask(name)
        assert (await visitor.post("/api/runs", {"prompt": "a dog"})).status_code == 429


async def test_one_upload_is_decoded_at_a_time_and_others_are_answered_meanwhile(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder here waits for another request's answer: on the event loop it never came."""
    started, go_on, at_once, most = threading.Event(), threading.Event(), 0, 0

    def slow(data: bytes) -> Image.Image:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        started.set()
        assert go_on.wait(30)
        image = read_upload(data)
        at_once -= 1
        return image

    monkeypatch.setattr("rr_refine.studio.uploads.read_upload", slow)
    form = {"prompt": "make it blue", "preset": "one-shot", "picture": picture()}
    sent = [asyncio.create_task(visitor.post("/api/runs", form)) for _ in range(5)]
    async with asyncio.timeout(25):
        await asyncio.to_thread(started.wait)
        for path in ("/api/studio", "/api/runs", "/"):
            assert (await visitor.get(path)).status_code == 200
    go_on.set()
    assert {answer.status_code for answer in await asyncio.gather(*sent)} == {201}
    assert most == 1


async def test_nothing_is_decoded_or_encoded_on_the_event_loop(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole run with an uploaded picture, its thumbnails, its result; then it is read again."""
    seen: list[str] = []
    loop_thread = threading.get_ident()

    def watched(owner: type, name: str, counts: Callable[[Any], bool]) -> None:
        original = getattr(owner, name)

        def method(self: Any, *args: Any, **options: Any) -> Any:
            if counts(self):
                there = threading.get_ident() == loop_thread
                seen.append(f"{name} on the loop" if there else name)
            return original(self, *args, **options)

        monkeypatch.setattr(owner, name, method)

    form = {"prompt": "make it blue", "preset": "best-of-n", "picture": picture(900, 600)}
    watched(ImageFile.ImageFile, "load", lambda image: bool(image.tile))
    watched(Image.Image, "save", lambda _: True)
    watched(Image.Image, "resize", lambda _: True)
    name = await visitor.begin(**form)
    told = await visitor.watch(name)
    digests = [event.image for event in told.of("rendered")]
    digests.append(told.states[-1]["request"]["source"])
    for digest in digests:
        for size in ("small", "whole"):
            assert (await visitor.get(f"/runs/{name}/{size}/{digest}.png")).status_code == 200
    assert (await visitor.get(f"/runs/{name}/result.png")).status_code == 200
    assert (await visitor.get("/api/runs")).json()[0]["name"] == name
    assert {"load", "save", "resize"} == set(seen)


async def test_what_a_page_waits_for_does_not_wait_for_the_runs(visitor: Visitor) -> None:
    """Runs have pictures encoded in the threads that asyncio has for all."""
    name = await visitor.begin("a cat", preset="one-shot")
    (rendered,) = (await visitor.watch(name)).of("rendered")
    go_on = threading.Event()
    busy = [asyncio.create_task(asyncio.to_thread(go_on.wait, 60)) for _ in range(100)]
    try:
        async with asyncio.timeout(30):
            for path in (
                "/api/runs",
                f"/api/runs/{name}/events",
                f"/runs/{name}/small/{rendered.image}.png",
                f"/runs/{name}/whole/{rendered.image}.png",
                f"/runs/{name}/result.png",
            ):
                assert (await visitor.get(path)).status_code == 200
            begun = await visitor.post("/api/runs", {"prompt": "x", "picture": picture()})
            assert begun.status_code == 201
    finally:
        go_on.set()
        await asyncio.gather(*busy)


async def test_many_uploads_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that find no place are told so before their pictures are taken in."""
    monkeypatch.setattr(uploads, "_LARGE", 10)
    taken_in, most = 0, 0
    read = uploads._read

    async def watched(request: Any, *, keep: bool = True) -> bytearray:
        nonlocal taken_in, most
        if not keep:
            return await read(request, keep=False)
        taken_in += 1
        body = await read(request)
        most = max(most, taken_in)
        await asyncio.sleep(0.05)
        taken_in -= 1
        return body

    monkeypatch.setattr(uploads, "_read", watched)
    async with opened(tmp_path / "runs", max_runs=6, **HANGING) as visitor:
        form = {"prompt": "make it blue", "picture": picture(400, 400)}
        answers = await asyncio.gather(*(visitor.post("/api/runs", form) for _ in range(24)))
        full = [answer for answer in answers if answer.status_code == 429]
        assert len(full) == 18
        assert all(int(answer.headers["retry-after"]) > 0 for answer in full)
        assert all("runs are at work" in answer.json()["error"] for answer in full)
    assert most <= 2


async def test_who_finds_no_place_hears_so_while_sending(tmp_path: Path) -> None:
    async with opened(tmp_path / "runs", max_runs=1, **HANGING) as visitor:
        await visitor.begin("a cat")
        full = await visitor.post("/api/runs", {"prompt": "a", "picture": "A" * 40_000_000})
        assert full.status_code == 429
        assert "1 runs are at work" in full.json()["error"]


@pytest.mark.parametrize("several", [False, True])
async def test_the_pictures_of_a_form_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, several: bool
) -> None:
    decoded = 0

    def watched(data: bytes) -> Image.Image:
        nonlocal decoded
        decoded += 1
        return read_upload(data)

    monkeypatch.setattr(uploads, "read_upload", watched)
    monkeypatch.setattr(uploads, "_TOGETHER", 1500)
    form = {"prompt": "make it blue", "picture": picture(), "more_pictures": [picture()] * 50}
    if not several:
        monkeypatch.setattr(FakeGenerator, "most_sources", 1)
    async with opened(tmp_path / "runs") as visitor:
        answer = await visitor.post("/api/runs", form)
    assert answer.status_code == 400
    words, times = ("megapixels together", 3) if several else ("one picture", 0)
    assert words in answer.json()["error"]
    assert decoded == times


@pytest.mark.parametrize("kind", ["bomb", "broken"])
async def test_a_thumbnail_that_cannot_be_made_is_explained(
    visitor: Visitor, tmp_path: Path, kind: str
) -> None:
    name = await visitor.begin("a cat", preset="one-shot")
    (rendered,) = (await visitor.watch(name)).of("rendered")
    digest = "0" * 64
    file = tmp_path / "runs" / name / "images" / "00" / f"{digest}.png"
    file.parent.mkdir()
    file.write_bytes(bomb() if kind == "bomb" else base64.b64decode(picture())[:60])
    answer = await visitor.get(f"/runs/{name}/small/{digest}.png")
    assert answer.status_code == 422
    words = "megapixels" if kind == "bomb" else "broken PNG"
    assert words in answer.json()["error"]
    assert (await visitor.get(f"/runs/{name}/small/{rendered.image}.png")).status_code == 200


async def ask_raw(visitor: Visitor, text: str) -> tuple[asyncio.StreamReader, Any]:
    """Send the beginning of a request as it stands."""
    port = int(visitor.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    host = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {visitor.token}\r\n"
    writer.write(text.replace("HOST", host).encode())
    return reader, writer


JSON = "HTTP/1.1\r\nHOSTContent-Type: application/json\r\n"
POST = f"POST /api/runs {JSON}"
SHORT = f"Content-Length: {guard.MAX_WORDS + 1}\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"{POST}Content-Length: 99999999999\r\n\r\n", b"413"),
        (f"{POST}Content-Length: {guard.MAX_BODY + 1}\r\n\r\n", b"413"),
        (f"POST /api/runs/x/decision {JSON}{SHORT}", b"413"),
        (f"POST /api/runs/x/stop {JSON}{SHORT}", b"413"),
        (f"POST /api/runs/x/resume {JSON}{SHORT}", b"413"),
        (f"{POST}Transfer-Encoding: chunked\r\n\r\n", b"411"),
        ("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n", b"401"),
    ],
)
async def test_a_body_is_refused_before_any_of_it_came(
    visitor: Visitor, head: str, status: bytes
) -> None:
    reader, writer = await ask_raw(visitor, head)
    async with asyncio.timeout(20):
        assert (await reader.readline()).split()[1] == status
    writer.close()


LONG = "a " * 100_001


@pytest.mark.parametrize(
    "decision",
    [
        {"action": "edit", "prompt": LONG},
        {"action": "reject", "reason": LONG},
        {"action": "keep", "text": LONG},
        {"action": "pick", "candidate": LONG},
        {"action": "stop", "reason": LONG},
    ],
    ids=lambda decision: str(decision["action"]),
)
async def test_a_text_of_a_decision_has_the_limit_of_a_prompt(
    tmp_path: Path, decision: dict[str, str]
) -> None:
    async with opened(tmp_path / "runs", critic__seed=1, loop__target=4.0) as visitor:
        name = await visitor.begin("a cat", review=True)
        question = (await visitor.ask(name)).states[-1]["question"]
        answer = await visitor.decide(name, question, **decision)
        assert answer.status_code == 400
        assert "200,002 characters; 200,000 are the most" in answer.json()["error"]
        assert (await visitor.decide(name, question, action="stop")).status_code == 200


MANY = ",".join(["[]"] * 800_000)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/decision", f'{{"question":1,"decision":[{MANY}]}}', "no decision"),
        ("/decision", '{"question":1,"decision":' + "[" * 100_000, "no decision"),
        ("/decision", "[1]", "no decision"),
        ("", f'{{"prompt":[{MANY}]}}', "more parts than any has"),
        ("", '{"prompt":"a","keep":[' + "1," * 500_000 + "1]}", "keep.0 = 1 is no text"),
        ("", "{" + ",".join(f'"{n}":1' for n in range(500_000)) + "}", "prompt is missing"),
        ("", '{"prompt":' + "[" * 300_000, "the form: "),
    ],
    ids=["lists", "deep", "list", "form of lists", "words", "fields", "deep form"],
)
async def test_json_that_is_no_form_and_no_decision_is_refused_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, body: str, words: str
) -> None:
    threads = set[int]()

    def watched(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        def method(data: bytes) -> Any:
            threads.add(threading.get_ident())
            return read(data)

        return method

    for name in ("read_form", "read_answer"):
        monkeypatch.setattr(app, name, watched(getattr(app, name)))
    async with opened(tmp_path / "runs", critic__seed=1, loop__target=4.0) as visitor:
        run = await visitor.begin("a cat", review=True)
        await visitor.ask(run)
        threads.clear()
        answer = await visitor.http.post(
            f"/api/runs/{run}{path}" if path else "/api/runs",
            content=body,
            headers={"Content-Type": "application/json"},
        )
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert len(threads - {threading.get_ident()}) == 1 == len(threads)


async def test_the_words_to_keep_have_a_limit_together(visitor: Visitor) -> None:
    for field in ("keep", "avoid"):
        given = {"prompt": "a cat", field: ["b" * 1000] * 201}
        answer = await visitor.post("/api/runs", given)
        assert answer.status_code == 400
        assert "201,000 characters together" in answer.json()["error"]


async def test_a_body_that_comes_too_slowly(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_SENT_WITHIN", 0.1)
    reader, writer = await ask_raw(visitor, f'{POST}Content-Length: 100\r\n\r\n{{"prompt"')
    async with asyncio.timeout(20):
        assert (await reader.readline()).split()[1] == b"408"
    writer.close()


async def test_a_body_that_stands_still_gives_its_place_to_others(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_LARGE", 10)
    monkeypatch.setattr(uploads, "_GOES_ON_WITHIN", 0.5)
    form = {"prompt": "make it blue", "preset": "one-shot", "picture": picture()}
    stuck = [await ask_raw(visitor, f"{POST}Content-Length: 99999\r\n\r\n{{") for _ in range(4)]
    async with asyncio.timeout(20):
        assert (await visitor.post("/api/runs", form)).status_code == 201
        for reader, writer in stuck:
            assert (await reader.readline()).split()[1] == b"408"
            writer.close()


async def test_no_run_is_begun_for_who_is_gone(visitor: Visitor) -> None:
    _, writer = await ask_raw(visitor, f'{POST}Content-Length: 100\r\n\r\n{{"prompt"')
    writer.close()
    await writer.wait_closed()
    assert (await visitor.get("/api/studio")).status_code == 200
    assert (await visitor.get("/api/runs")).json() == []


async def test_a_connection_that_asks_for_nothing(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ASKED_WITHIN", 0.1)
    for text in ("", "GET / HTTP/1.1\r\nHOST"):
        reader, writer = await ask_raw(visitor, text)
        async with asyncio.timeout(20):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()


async def test_a_stranger_gets_one_answer_on_a_connection(tmp_path: Path) -> None:
    async with opened(tmp_path / "runs", shown=False) as visitor:
        assert (await visitor.get("/")).headers["connection"] == "close"
        refused = await visitor.get("/", Host="evil.example")
        assert (refused.status_code, refused.headers["connection"]) == (421, "close")


async def test_connections_of_others_keep_nobody_out(visitor: Visitor) -> None:
    """More than are served at once, from somebody who sends nothing, or half a request."""
    port = int(visitor.url.rpartition(":")[2])
    async with AsyncExitStack() as held:
        for number in range(MAX_CONNECTIONS + 100):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            held.callback(writer.close)
            if number % 2:
                writer.write(b"GET / HTTP/1.1\r\nHost: 127")
        for path in ("/", "/api/studio", "/api/runs"):
            assert (await visitor.get(path)).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 200_000,
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 500,
    ],
    ids=lambda text: ascii(text[:24]),
)
async def test_what_strangers_send_is_not_seen_in_the_terminal(
    tmp_path: Path, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """One answer, and then the connection is closed."""
    async with opened(tmp_path / "runs", shown=False) as visitor:
        port = int(visitor.url.rpartition(":")[2])
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(text)
            async with asyncio.timeout(20):
                with suppress(ConnectionResetError):
                    answer = await reader.read()
                    assert answer.split()[1] in (b"400", b"401", b"421"), answer
                    assert answer.count(b"HTTP/1.1 ") == 1
            writer.close()
    assert caplog.records == []


async def test_a_client_that_does_not_read(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await visitor.begin("a cat", preset="one-shot")
    await visitor.watch(name)
    length = 50_000_000
    result = tmp_path / "runs" / name / "result.png"
    result.write_bytes(result.read_bytes().ljust(length, b"\0"))
    whole = await visitor.get(f"/runs/{name}/result.png")
    assert len(whole.content) == length
    monkeypatch.setattr(connection, "READ_WITHIN", 0.2)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", int(visitor.url.rpartition(":")[2])))
        host = f"Host: 127.0.0.1\r\nAuthorization: Bearer {visitor.token}\r\n"
        client.sendall(f"GET /runs/{name}/result.png HTTP/1.1\r\n{host}\r\n".encode())
        await asyncio.sleep(1.0)
        got = await asyncio.to_thread(_read_all, client)
    assert got < length


def _read_all(client: socket.socket) -> int:
    client.settimeout(20)
    got = 0
    try:
        while piece := client.recv(1 << 16):
            got += len(piece)
    except ConnectionResetError:
        pass
    return got


async def test_only_so_many_pages_follow_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rr_refine.studio.app.MAX_STREAMS", 2)
    async with opened(tmp_path / "runs", **HANGING) as visitor:
        path = f"/api/runs/{await visitor.begin('a cat')}/events"
        async with AsyncExitStack() as pages:
            for _ in range(2):
                answer = await pages.enter_async_context(visitor.http.stream("GET", path))
                assert answer.status_code == 200
            full = await visitor.get(path)
            assert full.status_code == 503
            assert "2 pages follow runs already" in full.json()["error"]
            head = await visitor.http.head(path)  # which opens none, and ends
            assert head.status_code == 200

        async def there_is_room() -> bool:
            async with visitor.http.stream("GET", path) as answer:
                return answer.status_code == 200

        async with asyncio.timeout(20):
            while not await there_is_room():
                pass
