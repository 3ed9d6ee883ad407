"""Who may ask, from where, and what a browser is told about it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from rr_refine.errors import ConfigError
from rr_refine.studio import app
from rr_refine.studio.guard import MAX_BODY
from rr_refine.studio.server import listen
from rr_refine.studio.uploads import MAX_PICTURE_BYTES
from tests.studio.visitor import Visitor
from tests.test_picture_file import bomb


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def test_every_answer_says_what_may_run(visitor: Visitor) -> None:
    name = await visitor.begin("a cat", preset="one-shot")
    (rendered,) = (await visitor.watch(name)).of("rendered")
    paths = ["/", "/page/studio.js", "/page/studio.css", "/api/studio", "/api/runs", "/nothing"]
    paths += [f"/runs/{name}/result.png", f"/runs/{name}/small/{rendered.image}.png"]
    for path in paths:
        answer = await visitor.get(path)
        policy = answer.headers["content-security-policy"]
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == "'self'"
        assert rules["img-src"] == "'self' data: blob:"
        assert rules["frame-ancestors"] == "'none'"
        assert rules["require-trusted-types-for"] == "'script'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers
    refused = await visitor.get("/", Host="evil.example")
    assert "content-security-policy" in refused.headers


async def test_the_page_holds_nothing_inline_and_nothing_from_outside(visitor: Visitor) -> None:
    page = (await visitor.get("/")).text
    assert "<script>" not in page
    assert "style=" not in page
    assert " on" not in page.replace(" only", "").partition("<body>")[0]
    scripts = [path.name for path in (Path(app.__file__).parent / "page").glob("*.js")]
    assert len(scripts) > 6
    for name in scripts:
        text = (await visitor.get(f"/page/{name}")).text
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, name
    for name in ("index.html", "studio.css", "studio.js", "icon.svg"):
        text = page if name == "index.html" else (await visitor.get(f"/page/{name}")).text
        assert "//" not in text.replace("http://www.w3.org/2000/svg", "").replace("// ", ""), name


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("[::1]:{port}", 200),
        ("evil.example:{port}", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.168.0.7:{port}", 421),
        ("0.0.0.0:{port}", 421),
        ("", 421),
        ("127.0.0.1:{port};x", 421),
        ("127.0.0.1:{port}, evil.example", 421),
        ("[127.0.0.1]x", 421),
        ("localhost:{port}/", 421),
    ],
)
async def test_names_that_are_not_ours(visitor: Visitor, host: str, status: int) -> None:
    port = visitor.url.rpartition(":")[2]
    answer = await visitor.get("/api/studio", Host=host.format(port=port))
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({}, 201),
    ],
)
async def test_only_our_own_page_changes_something(
    visitor: Visitor, tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    answer = await visitor.post("/api/runs", {"prompt": "a cat", "preset": "one-shot"}, **headers)
    assert answer.status_code == status
    assert (tmp_path / "runs").exists() == (status == 201)


async def test_methods_and_sizes(visitor: Visitor) -> None:
    name = await visitor.begin("a cat", preset="one-shot")
    await visitor.watch(name)
    for path in (f"/api/runs/{name}/stop", f"/api/runs/{name}/decision"):
        assert (await visitor.get(path)).status_code == 405
    ours = {"Origin": visitor.url, "Content-Type": "application/json"}

    async def chunks() -> object:
        yield b"{}"

    unsaid = await visitor.http.post("/api/runs", content=chunks(), headers=ours)  # type: ignore[arg-type]
    assert unsaid.status_code == 411
    large = await visitor.http.post("/api/runs", content=b"x" * (MAX_BODY + 1), headers=ours)
    assert large.status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/runs/{name}/whole/../../secret.png",
        "/runs/{name}/whole/..%2f..%2fsecret.png",
        "/runs/{name}/whole/secret.png",
        "/runs/{name}/other/{digest}.png",
        "/runs/{name}/whole/{digest}x.png",
        "/runs/{name}/whole/" + "0" * 64 + ".png",
        "/runs/../{name}/whole/{digest}.png",
        "/runs/..%2foutside/result.png",
        "/runs/../outside/result.png",
        "/runs/.../result.png",
        "/runs/nothing/result.png",
        "/api/runs/..%2foutside/events",
        "/api/runs/%2e%2e/events",
        "/api/runs/nothing/events",
        "/page/..%2fapp.py",
        "/page/../app.py",
        "/page/index.html",
        "/page/%2fetc%2fpasswd",
        "/outside",
    ],
)
async def test_nothing_else_can_be_read(visitor: Visitor, tmp_path: Path, path: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for file in ("result.png", "config.json", "manifest.json"):
        (outside / file).write_text("secret")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "secret.png").write_text("secret")
    name = await visitor.begin("a cat", preset="one-shot")
    (rendered,) = (await visitor.watch(name)).of("rendered")
    answer = await _raw(visitor, path.format(name=name, digest=rendered.image))
    assert answer.split()[1] == b"404"
    assert b"secret" not in answer.partition(b"\r\n\r\n")[2].replace(b"no picture 'secret'", b"")


async def _raw(visitor: Visitor, path: str) -> bytes:
    """An answer to a path as it stands: clients tidy paths up."""
    port = int(visitor.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    bearer = f"Authorization: Bearer {visitor.token}\r\n"
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{bearer}Connection: close\r\n"
    writer.write(f"{request}\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_resume_and_decide_only_what_is_there(visitor: Visitor) -> None:
    for path in ("resume", "stop", "decision"):
        for name in ("nothing", "..%2foutside", "%00"):
            answer = await visitor.post(f"/api/runs/{name}/{path}", {})
            assert answer.status_code == 404, (name, path)


def _file(kind: str, size: tuple[int, int]) -> str:
    out = io.BytesIO()
    Image.new("L", size).save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"prompt": ""}, "blank"),
        ({"prompt": " \n"}, "blank"),
        ({"prompt": "x" * 200_001}, "200,000 are the most"),
        ({"prompt": "a cat", "seed": -1}, "seed"),
        ({"prompt": "a cat", "seed": 2**53}, "seed"),
        ({"prompt": "a cat", "preset": "refin"}, "did you mean 'refine'?"),
        ({"prompt": "a cat", "keep": [" "]}, "blank"),
        ({"prompt": "a cat", "generator": "os:system"}, "generator"),
        ({"prompt": "a cat", "picture": "?"}, "picture"),
        ({"prompt": "a cat", "picture": base64.b64encode(b"GIF89a no").decode()}, "no picture"),
        ({"prompt": "a cat", "picture": base64.b64encode(b"%!PS-Adobe").decode()}, "no picture"),
        ({"prompt": "a cat", "picture": _file("PPM", (4, 4))}, "no picture"),
        ({"prompt": "a cat", "picture": base64.b64encode(bomb()).decode()}, "100 is the most"),
        ({}, "prompt"),
        ([], "the form"),
    ],
)
async def test_forms_that_are_refused(
    visitor: Visitor, tmp_path: Path, form: object, words: str
) -> None:
    answer = await visitor.post("/api/runs", form)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert not (tmp_path / "runs").exists()


async def test_a_file_that_is_too_large(visitor: Visitor) -> None:
    picture = base64.b64encode(b"\0" * (MAX_PICTURE_BYTES + 1)).decode()
    answer = await visitor.post("/api/runs", {"prompt": "a cat", "picture": picture})
    assert answer.status_code == 400
    assert "has 50.1 MB; 50 MB is the most" in answer.json()["error"]


def test_a_port_that_is_taken() -> None:
    with (
        listen("127.0.0.1", 0) as taken,
        pytest.raises(ConfigError, match="--port 0 takes a free port"),
    ):
        listen("127.0.0.1", taken.getsockname()[1])


HOSTILE = {
    "html": '<img src=x onerror="document.title=1"><script>alert(1)</script>',
    "quotes": "\"'`--></script>${7*7}{{7*7}}'\"",
    "bidi": "a \u202egnp.exe\u202c cat \u2066\u2069",
    "escapes": "\x1b[2J\x1b]0;gotcha\x07 a cat \x9b31m",
    "lines": "a cat\r\n\r\nevent: state\ndata: {}\n\nid: 99\u2028\u2029\x85",
    "long": "a very long cat " * 6250,
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_hostile_prompts_stay_one_event(visitor: Visitor, kind: str) -> None:
    prompt = HOSTILE[kind]
    name = await visitor.begin(prompt, preset="one-shot", keep=[prompt[:40]])
    told = await visitor.watch(name)
    assert told.numbers == list(range(1, len(told.events) + 1))
    assert told.of("run-started")[0].prompt == prompt
    assert told.states[-1]["status"] == "done"
    assert told.states[-1]["request"]["prompt"] == prompt
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    (tile,) = (await visitor.get("/api/runs")).json()
    assert tile["prompt"] == prompt[:300]


async def test_half_a_character_is_refused(visitor: Visitor) -> None:
    answer = await visitor.http.post(
        "/api/runs",
        content=b'{"prompt": "a \\ud800 cat"}',
        headers={"Origin": visitor.url, "Content-Type": "application/json"},
    )
    assert answer.status_code == 400
    assert json.loads(answer.text)["error"]
