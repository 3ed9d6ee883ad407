"""A run with a server whose every string is meant to do harm."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from PIL import Image, PngImagePlugin

from rr_refine.terms import Dimension
from tests.agent.records import only_run
from tests.commands import Commands
from tests.reward.answers import pointwise

POOR: dict[Dimension, str] = {
    "text_faithfulness": "2.0",
    "physical_quality": "2.0",
    "text_rendering": "N/A",
}
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b31m\r\x08\x00\x7f"
BIDI = "\u202e\u2066\u200f\u2028"
MARKUP = "</script><script>alert(1)</script><img src=x onerror=alert(1)>[red]rich[/red]"
LONG = "W" * 2**20
HARM = ESCAPES + BIDI + MARKUP
CONTROLS = {letter for letter in ESCAPES if not letter.isprintable()} - {"\r"}
NEVER = CONTROLS | set(BIDI)


class Hostile(ThreadingHTTPServer):
    """Draws once, and refuses the next prompt; judges; and says `HARM` wherever it can."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.drawn = 0
        self.fails = ""
        """The part of a path that is answered with an error only."""
        self.models = [HARM, "another"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Hostile

    def do_GET(self) -> None:
        self.reply(200, {"object": "list", "data": [{"id": name} for name in self.server.models]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.fails and self.server.fails in self.path:
            self.reply(400, {"error": {"message": HARM + LONG, "code": HARM, HARM: LONG}})
        elif self.path.endswith("/chat/completions"):
            words = pointwise("t2i", POOR).replace("## ", f"{HARM}\n## ", 1)
            choice = {"finish_reason": "stop", "message": {"content": words}, HARM: HARM}
            self.reply(200, {"choices": [choice], "model": HARM, "usage": HARM})
        elif self.server.drawn:
            self.reply(400, {"error": {"message": f"safety system: {HARM}{LONG}"}})
        else:
            self.server.drawn += 1
            buffer, texts = io.BytesIO(), PngImagePlugin.PngInfo()
            texts.add_text("parameters", MARKUP)
            Image.effect_noise((48, 32), 80).convert("RGB").save(buffer, "PNG", pnginfo=texts)
            image = base64.b64encode(buffer.getvalue()).decode()
            self.reply(200, {"data": [{"b64_json": image, "revised_prompt": HARM + LONG}]})

    def reply(self, status: int, value: object) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Hostile]:
    with Hostile() as running:
        thread = Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def arguments(server: Hostile, *more: str) -> tuple[str, ...]:
    return (
        "three red hats",
        "--rounds=2",
        "--generator=images-api",
        f"--set=generator.base_url={server.url}",
        "--set=generator.model=painter",
        "--set=generator.max_retries=0",
        f"--critic-url={server.url}",
        "--set=critic.model=judge",
        "--set=critic.max_retries=0",
        *more,
    )


def pages(folder: Path) -> Iterator[str]:
    for page in folder.rglob("*.html"):
        yield page.read_text()


@pytest.mark.parametrize("how", ["--plain", "--json"])
@pytest.mark.parametrize("fails", ["", "chat", "images"])
def test_what_a_server_says_harms_neither_terminal_nor_page(
    how: str, fails: str, commands: Commands, server: Hostile
) -> None:
    server.fails = fails
    shown = commands.run(*arguments(server, how))
    assert shown.code == (1 if fails else 0), shown.stderr[-2000:]
    for text in (shown.stdout, shown.stderr):
        assert not NEVER & set(text)
        assert len(text) < 100_000
    assert "the endpoint does not list the model 'judge'" in shown.stderr + shown.stdout
    if how == "--json":
        told = [json.loads(line) for line in shown.stdout.splitlines()]
        assert {event["type"] for event in told} >= {"round-started", "run-finished"}
    folder = only_run(commands.folder / "runs")
    found = list(pages(folder))
    assert found
    for page in found:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert not CONTROLS & set(page)
        assert len(page) < 4_000_000
    for name in ("events.jsonl", "samples.jsonl", "config.json"):
        assert not CONTROLS & set((folder / name).read_text())


@pytest.mark.parametrize(
    ("models", "code", "words"),
    [
        ([HARM, "another"], 2, "alert(1)"),
        ([f"{HARM}{n}" for n in range(500)], 2, "(500 in all)"),
        ([LONG, "another"], 1, "at most 1000 characters"),
        ([LONG], 1, "at most 1000 characters"),
    ],
)
@pytest.mark.parametrize("section", ["critic", "generator"])
def test_names_of_models_are_shown_as_text(
    section: str, models: list[str], code: int, words: str, commands: Commands, server: Hostile
) -> None:
    """Without a model given, the list of the server's is in an error."""
    server.models = models
    given = [one for one in arguments(server) if not one.startswith(f"--set={section}.model")]
    shown = commands.run(*given, "--plain")
    assert shown.code == code
    assert words in shown.stderr
    assert not NEVER & set(shown.stderr)
    assert len(shown.stderr) < 10_000
