"""A run with a critic behind HTTP that is down for a while."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from rr_refine.agent.run import load_run
from rr_refine.terms import Dimension
from tests.agent.records import only_run
from tests.commands import Commands
from tests.reward.answers import pointwise

KEY = "sk-4242-do-not-tell"
POOR: dict[Dimension, str] = {
    "text_faithfulness": "2.0",
    "physical_quality": "2.0",
    "text_rendering": "N/A",
}


class Server(ThreadingHTTPServer):
    """Answers like vLLM, or with the planned faults."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults: list[int | None] = []
        self.keys: set[str | None] = set()
        self.judged = 0
        self.model = "the-critic"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.reply(200, {"object": "list", "data": [{"id": self.server.model, "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body["model"] == self.server.model
        self.server.keys.add(self.headers["Authorization"])
        fault = self.server.faults.pop(0) if self.server.faults else None
        if fault is not None:
            self.reply(fault, {"error": {"message": "come back later"}})
            return
        self.server.judged += 1
        said = pointwise("t2i", POOR)
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": said},
        }
        usage = {"prompt_tokens": 900, "completion_tokens": 90, "total_tokens": 990}
        self.reply(
            200,
            {
                **{"id": "1", "object": "chat.completion", "created": 0, "model": "the-critic"},
                **{"choices": [choice], "usage": usage},
            },
        )

    def reply(self, status: int, value: object) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def secret_files(folder: Path) -> list[str]:
    files = [p for p in folder.rglob("*") if p.is_file()]
    return [p.name for p in files if KEY.encode() in p.read_bytes()]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_critic_that_is_down_for_a_while(commands: Commands, server: Server, status: int) -> None:
    commands.environment["RR_REFINE_CRITIC__API_KEY"] = KEY
    request = ("three red hats", "--critic-url", server.url, "--rounds=2")
    small = ("--generator=fake", "--set=generator.width=48", "--set=generator.height=32")
    more = ("--set=critic.max_retries=2", "--set=loop.pairwise=false")
    server.faults = [status, None, status, status, status]
    failed = commands.run(*request, *small, *more)
    folder = only_run(commands.folder / "runs")
    assert failed.code == 1, failed.stderr
    assert "critic-failed: critic unavailable: " in failed.stderr
    run = load_run(folder)
    assert [c.mean for c in run.candidates] == [2.0, None]
    assert run.best == run.candidates[0]
    assert server.judged == 1

    resumed = commands.run("resume", str(folder), "--trust")
    assert resumed.code == 0, resumed.stderr
    assert server.judged == 2
    assert [c.mean for c in load_run(folder).candidates] == [2.0, 2.0]
    assert server.keys == {f"Bearer {KEY}"}
    assert secret_files(commands.folder) == []
    assert KEY not in failed.stdout + failed.stderr + resumed.stdout + resumed.stderr
