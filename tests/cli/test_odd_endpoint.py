"""A run with endpoints that take less than was sent and tell less than the API says."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from PIL import Image

from rr_refine.agent.run import load_run
from rr_refine.terms import Dimension
from tests.agent.records import items, only_run
from tests.commands import Commands
from tests.reward.answers import pointwise

POOR: dict[Dimension, str] = {
    "text_faithfulness": "2.0",
    "physical_quality": "2.0",
    "text_rendering": "N/A",
}


class Odd(ThreadingHTTPServer):
    """Refuses `seed` and `temperature`, counts no tokens, and draws only what is asked first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.prompts: list[str] = []
        self.draws = 1
        """How many different prompts it draws."""
        self.moved = "nothing"
        """A part of the paths that are sent on to elsewhere."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Odd

    def do_GET(self) -> None:
        self.reply(200, {"object": "list", "data": [{"id": "another"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.moved in self.path.split("/"):
            self.reply(307, {}, Location="http://127.0.0.1:9/elsewhere")
            return
        for field in ("seed", "temperature"):
            if field in body:
                words = f"Unsupported parameter: '{field}' is not supported with this model."
                self.reply(400, {"error": {"message": words, "param": field}})
                return
        if self.path.endswith("/chat/completions"):
            choice = {"finish_reason": "stop", "message": {"content": pointwise("t2i", POOR)}}
            self.reply(200, {"choices": [choice], "usage": None})
            return
        if body["prompt"] not in self.server.prompts:
            self.server.prompts.append(body["prompt"])
        if self.server.prompts.index(body["prompt"]) + 1 > self.server.draws:
            self.reply(400, {"error": {"message": "rejected by the safety system", "code": None}})
            return
        buffer = io.BytesIO()
        Image.effect_noise((48, 32), 80).convert("RGB").save(buffer, "PNG")
        image = base64.b64encode(buffer.getvalue()).decode()
        self.reply(200, {"data": [{"b64_json": image}]})

    def reply(self, status: int, value: object, **headers: str) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Odd]:
    with Odd() as running:
        thread = Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def arguments(server: Odd) -> tuple[str, ...]:
    return (
        "three red hats",
        "--rounds=3",
        "--generator=images-api",
        f"--set=generator.base_url={server.url}",
        "--set=generator.model=painter",
        f"--critic-url={server.url}",
        "--set=critic.model=judge",
    )


SAID = (
    "critic: the endpoint does not list the model 'judge', only 'another'",
    "generator: the endpoint does not list the model 'painter', only 'another'",
    "critic: the endpoint does not take 'temperature', which is left out from now on",
    "critic: the endpoint does not tell its tokens: the most that they can be is counted",
    "the endpoint does not take 'seed', which is left out from now on",
)


def test_what_was_left_out_is_said_everywhere(commands: Commands, server: Odd) -> None:
    server.draws = 1
    shown = commands.run(*arguments(server), "--plain")
    assert shown.code == 0, shown.stderr
    assert len(server.prompts) > 1
    folder = only_run(commands.folder / "runs")
    run = load_run(folder)
    assert run.best is not None
    assert (run.best.id, run.status) == ("r0c0", "done")
    assert run.report_path is not None
    page = run.report_path.read_text().replace("&#39;", "'")
    record = (folder / "events.jsonl").read_text()
    for words in (*SAID, "rejected by the safety system"):
        assert words in shown.stderr
        assert words in page
        assert words in record
    assert "resume" not in shown.stderr
    assert "at most " in shown.stderr.rpartition("spent")[2]
    (assessment,) = [value["result"] for kind, _, value in items(folder) if kind == "critique"]
    assert assessment["usage"]["completion_tokens"] == 2048
    assert assessment["usage"]["assumed_tokens"] > 2048
    assert any("temperature" in notice for notice in assessment["usage"]["notices"])


def test_the_same_in_json(commands: Commands, server: Odd) -> None:
    server.draws = 1
    shown = commands.run(*arguments(server), "--json")
    assert shown.code == 0, shown.stderr
    told = [json.loads(line) for line in shown.stdout.splitlines()]
    texts = [event["text"] for event in told if event["type"] == "notice"]
    for words in SAID:
        assert [text for text in texts if words in text]
    assert [e for e in told if e["type"] == "rewrite-rejected" and "safety" in str(e)]


def test_a_budget_counts_what_may_have_been_used(commands: Commands, server: Odd) -> None:
    server.draws = 9
    shown = commands.run(*arguments(server), "--set=budget.tokens=2000")
    assert shown.code == 0, shown.stderr
    outcome = load_run(only_run(commands.folder / "runs")).outcome
    assert outcome is not None
    assert outcome.stop.rule == "budget"
    assert len(outcome.candidates) == 1


def test_a_refused_request_advises_no_resume(commands: Commands, server: Odd) -> None:
    server.draws = 0
    shown = commands.run(*arguments(server))
    assert shown.code == 1
    assert "rejected by the safety system" in shown.stderr
    assert "resume" not in shown.stderr
    assert "the generator refuses this prompt" in shown.stderr


@pytest.mark.parametrize("moved", ["chat", "images"])
def test_a_request_that_is_sent_on_ends_the_run_and_advises_no_resume(
    moved: str, commands: Commands, server: Odd
) -> None:
    server.moved, server.draws = moved, 9
    shown = commands.run(*arguments(server), "--plain")
    assert shown.code == 1
    section = "critic" if moved == "chat" else "generator"
    assert f"nothing was sent there: if that is right, set {section}.base_url" in shown.stderr
    assert "rr-refine resume" not in shown.stderr
    assert "not finished: to resume would bring the same error; change what it" in shown.stderr
    outcome = load_run(only_run(commands.folder / "runs")).outcome
    assert outcome is not None
    assert outcome.stop.rule == f"{section}-failed"
    assert (outcome.best is None) == (moved == "images")


def test_a_wrong_size_that_is_an_error_advises_no_resume(commands: Commands, server: Odd) -> None:
    server.draws = 9
    strict = ("--set=generator.size=64x64", "--set=generator.strict_size=true")
    shown = commands.run(*arguments(server), *strict, "--plain")
    assert shown.code == 1
    assert "answered with 48x32 pixels where 64x64 was asked for" in shown.stderr
    assert "rr-refine resume" not in shown.stderr
    assert "change what it names, and start anew" in shown.stderr


def test_a_dead_critic_is_told_before_the_first_picture(commands: Commands, server: Odd) -> None:
    server.draws = 9
    dead = ("--critic-url=http://127.0.0.1:9/v1", "--set=critic.max_retries=0")
    shown = commands.run(*arguments(server)[:-2], *dead, "--set=critic.model=judge")
    assert shown.code == 1
    assert "http://127.0.0.1:9/v1 cannot be reached" in shown.stderr
    assert server.prompts == []
